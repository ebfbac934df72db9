//! The bare program: fetch a page, parse it, write its rows in one transaction, while the next page is on its way.
//!
//! It knows that the database is empty and that nobody else writes, so it looks nothing up, keeps every id in memory,
//! and records nothing but the rows themselves. It shares the client and the records' types with Tieout, and none of its
//! writing code. Killed half-way it cannot go on, and a record that it does not expect ends it.

mod records;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use model::{ContentHash, canonical};
use store::Store;
use uuid::Uuid;
use xero::oauth::{AuthorizeRequest, OAuthClient, PkceVerifier};
use xero::{
    Books, Client, ClientSettings, Clock as _, Endpoints, Entity, FixedToken, Lane, ListQuery, Order, Param, Secret,
    SystemClock, SystemEntropy, Unlimited,
};

use crate::emulated;
use crate::figures::{Figures, Stopwatch};
use records::Bare;
use rows::{Database, Row};

/// Local ids of the records so far: what a program that fills an empty database can keep in memory.
#[derive(Default)]
struct Known {
    ids: HashMap<Uuid, i64>,
    now: Timestamp,
}

/// A record with what its link holds.
struct Incoming<R> {
    xero_id: Uuid,
    updated: Option<Timestamp>,
    record: R,
    base: Vec<u8>,
    hash: ContentHash,
}

/// Signs in, then measures filling an empty database.
///
/// # Errors
/// Whatever goes wrong; also a record of a kind that the benchmark's organisation does not have.
pub async fn run(database: &str, base: &str) -> anyhow::Result<Figures> {
    // The tables are Tieout's; its store is asked for nothing else.
    drop(Store::open(database, Arc::new(|| SystemClock.now())).await?);
    let mut database = Database::open(database).await?;
    let transport = emulated::transport()?;
    let books = sign_in(base, &mut database).await?;

    let before = emulated::call_count(&transport, base).await?;
    let watch = Stopwatch::start()?;
    let mut known = Known::default();
    books.organisation().await?;
    pull::<records::Accounts>(&books, &mut database, &mut known).await?;
    pull::<records::TaxRates>(&books, &mut database, &mut known).await?;
    pull::<records::Contacts>(&books, &mut database, &mut known).await?;
    pull::<records::Invoices>(&books, &mut database, &mut known).await?;
    expect_none::<xero::CreditNote>(&books).await?;
    expect_none::<xero::Prepayment>(&books).await?;
    expect_none::<xero::Overpayment>(&books).await?;
    pull::<records::Payments>(&books, &mut database, &mut known).await?;
    expect_none::<xero::BankTransaction>(&books).await?;
    let figures = watch.stop(0)?;
    Ok(Figures { calls: emulated::list_calls_since(&transport, base, before).await?, ..figures })
}

async fn sign_in(base: &str, database: &mut Database) -> anyhow::Result<Books> {
    let endpoints = Endpoints::at(base.parse()?);
    let transport = Arc::new(emulated::transport()?);
    let oauth = OAuthClient::new(endpoints.clone(), emulated::credentials(), transport.clone());
    let verifier = PkceVerifier::generate(&SystemEntropy);
    let request = AuthorizeRequest {
        client_id: oauth.client_id(),
        redirect_uri: emulated::REDIRECT_URI,
        scopes: sync::MINIMUM_SCOPES,
        state: "benchmark",
        verifier: &verifier,
        nonce: None,
        single_organisation: false,
    };
    let (_, code): (String, Secret) = emulated::consent(&transport, request.url(&endpoints).as_str()).await?;
    let tokens = oauth.exchange_code(&code, emulated::REDIRECT_URI, &verifier).await?;
    let client = Client::new(ClientSettings::new(endpoints), transport, Arc::new(SystemClock), Arc::new(Unlimited));
    let connections = client.connections(&tokens.access_token).await?;
    let tenant = connections.first().context("the consent reaches no organisation")?;
    database.begin_books(tenant.tenant_id, tenant.tenant_name.as_deref().unwrap_or_default()).await?;
    Ok(client.tenant(tenant.tenant_id, Arc::new(FixedToken::new(tokens.access_token)), Lane::Background))
}

/// The list that Tieout asks for, too.
fn query<T: Entity>(include_archived: bool) -> ListQuery {
    ListQuery {
        order: T::PAGED.then(Order::by_id::<T>),
        page_size: T::PAGED.then_some(1000),
        include_archived: include_archived && T::PARAMS.contains(&Param::IncludeArchived),
        ..ListQuery::default()
    }
}

struct Fetched<R> {
    incoming: Vec<Incoming<R>>,
    is_last: bool,
}

async fn pull<K: Bare>(books: &Books, database: &mut Database, known: &mut Known) -> anyhow::Result<()> {
    let (mut id, mut number) = (0, 1);
    let mut ahead = Some(tokio::spawn(fetch::<K>(books.clone(), number)));
    while let Some(fetching) = ahead.take() {
        let page = fetching.await??;
        if !page.is_last {
            number += 1;
            ahead = Some(tokio::spawn(fetch::<K>(books.clone(), number)));
        }
        known.now = SystemClock.now();
        let mut rows = Vec::with_capacity(page.incoming.len());
        for incoming in &page.incoming {
            id += 1;
            rows.push(Row { kind: K::KIND.as_str(), id, incoming });
            known.ids.insert(incoming.xero_id, id);
        }
        database.write(&K::tables(), &rows, known).await?;
    }
    Ok(())
}

async fn fetch<K: Bare>(books: Books, number: u32) -> anyhow::Result<Fetched<K::Record>> {
    let page = books.fetch_page::<K::Wire>(&query::<K::Wire>(K::INCLUDE_ARCHIVED), number).await?;
    let mut incoming = Vec::with_capacity(page.items.len());
    for item in page.items {
        let wire = item?;
        let (xero_id, updated) = (K::id(&wire), wire.updated());
        let record = K::map(wire)?;
        let base = canonical(&record);
        let hash = ContentHash::of(&base);
        incoming.push(Incoming { xero_id, updated, record, base, hash });
    }
    Ok(Fetched { incoming, is_last: page.is_last })
}

async fn expect_none<T: Entity>(books: &Books) -> anyhow::Result<()> {
    let page = books.fetch_page::<T>(&query::<T>(false), 1).await?;
    anyhow::ensure!(page.items.is_empty(), "the benchmark's organisation has no {}", T::COLLECTION);
    Ok(())
}

impl Known {
    fn local(&self, target: Option<model::Ref>) -> anyhow::Result<Option<i64>> {
        let Some(id) = target.and_then(model::Ref::xero) else { return Ok(None) };
        Ok(Some(*self.ids.get(&id).with_context(|| format!("{id} was referred to and not seen"))?))
    }
}
