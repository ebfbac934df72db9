//! `tieout serve`: the REST API, until the process is asked to stop.

use std::net::SocketAddr;
use std::time::Duration;

use sync::Engine;
use tokio::net::TcpListener;
use web::{Web, WebSettings};

use crate::compose::{self, EMULATED, Hold};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::settings::Settings;
use crate::shutdown;

/// How long requests that are under way may take once the process was asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

pub(super) async fn run(settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let listener = listen(settings.bind, "tieout serve --bind 127.0.0.1:8788").await?;
    let address = listener.local_addr().unwrap_or(settings.bind);
    let store = compose::open_or_make(&settings.database_url).await?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    let shown = running.engine.store().shown_url();
    output.note(&format!("tieout {}  API on http://{address}/api/v1, books in {shown}", env!("CARGO_PKG_VERSION")));
    if running.engine.is_emulated() {
        output.note(EMULATED);
    }
    if !address.ip().is_loopback() {
        output.note("other machines can reach this: put TLS in front, and give out keys with the least scope");
    }
    serve(running.engine.clone(), listener, &public_url(settings, address.port())).await?;
    output.note("stopped");
    Ok(Exit::Done)
}

/// Where browsers reach this program: the origin that Xero sends them back to.
pub(super) fn public_url(settings: &Settings, port: u16) -> String {
    let is_ours = settings.redirect_uri.path().ends_with(web::CALLBACK_PATH);
    match is_ours {
        true => settings.redirect_uri.origin().ascii_serialization(),
        false => format!("http://localhost:{port}"),
    }
}

/// Listens, or says who else might be there.
pub(super) async fn listen(address: SocketAddr, another: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("port {} is in use: stop the program that has it, or choose another", address.port())
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("port {} may not be used by this user: choose one above 1023", address.port())
            }
            _ => format!("cannot listen on {address}: {error}"),
        };
        Failure::new(Exit::Failed, message).next(another)
    })
}

/// Serves the API until the process is asked to stop; syncs stop between two transactions.
pub(super) async fn serve(engine: Engine, listener: TcpListener, public_url: &str) -> Result<(), Failure> {
    let keeper = engine.clone();
    let web = Web::new(engine, WebSettings { public_url: public_url.to_owned(), ..WebSettings::default() });
    web.keep_pushing();
    web.keep_verifying();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, web.router()).with_graceful_shutdown(async {
        // The sender gone is a stop, too.
        let _ = stopping.await;
    });
    let mut server = tokio::spawn(async move { server.await });
    let failed = |error: String| Failure::new(Exit::Failed, format!("the server stopped: {error}"));
    tokio::select! {
        () = shutdown::asked() => {}
        () = keeper.keep_tokens() => {}
        ended = &mut server => return match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        },
    }
    drop(stop);
    web.shutdown().await;
    if tokio::time::timeout(LAST_REQUESTS, &mut server).await.is_err() {
        tracing::warn!("requests were still under way when the server stopped");
        server.abort();
    }
    Ok(())
}
