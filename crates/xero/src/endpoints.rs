//! Where Xero is: the three hosts as settings, so that the same client talks to Xero and to an emulator.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use uuid::Uuid;

/// The three origins that Xero answers on. Paths below them are fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Serves `/api.xro/2.0/…` and `/connections`.
    pub api: Url,
    /// Serves `/connect/token` and `/connect/revocation`.
    pub identity: Url,
    /// Serves `/identity/connect/authorize`, opened in a browser.
    pub login: Url,
}

/// A base URL that must not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    /// Not a URL that can have paths below it.
    #[error("'{0}' is not a base URL: give one like https://api.xero.com")]
    NotABase(String),
    /// Plain http to another machine would send tokens in the clear.
    #[error("'{0}' must be https: plain http is allowed for this machine (localhost, 127.0.0.1, [::1]) only")]
    NotSecure(String),
    /// Credentials, a query or a fragment in a base URL are mistakes.
    #[error("'{0}' must not have a user name, password, query or fragment")]
    Decorated(String),
}

impl Endpoints {
    /// Xero itself.
    pub fn xero() -> Endpoints {
        let parse = |text: &str| Url::parse(text).expect("a constant URL parses");
        Endpoints {
            api: parse("https://api.xero.com"),
            identity: parse("https://identity.xero.com"),
            login: parse("https://login.xero.com"),
        }
    }

    /// An emulator that serves everything on one origin.
    pub fn at(base: Url) -> Endpoints {
        Endpoints { api: base.clone(), identity: base.clone(), login: base }
    }

    /// Whether these are Xero's own hosts, for programs that must say which world they talk to.
    pub fn is_xero(&self) -> bool {
        *self == Endpoints::xero()
    }

    /// Refuses bases that would leak credentials or cannot work.
    pub fn validate(&self) -> Result<(), EndpointsError> {
        for url in [&self.api, &self.identity, &self.login] {
            let decorated = !url.username().is_empty() || url.password().is_some();
            if decorated || url.query().is_some() || url.fragment().is_some() {
                let mut shown = url.clone();
                shown.set_query(None);
                shown.set_fragment(None);
                // Setting these on a URL that has them cannot fail; one without a host is refused below anyway.
                let _ = shown.set_username("").and_then(|()| shown.set_password(None));
                return Err(EndpointsError::Decorated(shown.to_string()));
            }
            match url.scheme() {
                "https" => {}
                "http" if is_this_machine(url) => {}
                "http" => return Err(EndpointsError::NotSecure(url.to_string())),
                _ => return Err(EndpointsError::NotABase(url.to_string())),
            }
        }
        Ok(())
    }

    /// The consent page, without its query.
    pub fn authorize(&self) -> Url {
        below(&self.login, &["identity", "connect", "authorize"])
    }

    /// The token endpoint.
    pub fn token(&self) -> Url {
        below(&self.identity, &["connect", "token"])
    }

    /// The revocation endpoint.
    pub fn revocation(&self) -> Url {
        below(&self.identity, &["connect", "revocation"])
    }

    /// The list of connections, or one of them.
    pub fn connections(&self, id: Option<Uuid>) -> Url {
        match id {
            None => below(&self.api, &["connections"]),
            Some(id) => below(&self.api, &["connections", &id.to_string()]),
        }
    }

    /// A resource of the Accounting API; each segment is percent-encoded.
    pub fn accounting(&self, segments: &[&str]) -> Url {
        let mut all = vec!["api.xro", "2.0"];
        all.extend_from_slice(segments);
        below(&self.api, &all)
    }
}

fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which organisation a call is about: the `tenantId` of a connection, sent as `xero-tenant-id`. Not the connection's own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TenantId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<TenantId, uuid::Error> {
        Uuid::from_str(text).map(TenantId)
    }
}

impl From<Uuid> for TenantId {
    fn from(id: Uuid) -> TenantId {
        TenantId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_hang_below_the_three_hosts() {
        let xero = Endpoints::xero();
        assert_eq!(xero.authorize().as_str(), "https://login.xero.com/identity/connect/authorize");
        assert_eq!(xero.token().as_str(), "https://identity.xero.com/connect/token");
        assert_eq!(xero.revocation().as_str(), "https://identity.xero.com/connect/revocation");
        assert_eq!(xero.connections(None).as_str(), "https://api.xero.com/connections");
        assert_eq!(
            xero.accounting(&["Invoices", "a/b c"]).as_str(),
            "https://api.xero.com/api.xro/2.0/Invoices/a%2Fb%20c"
        );
        assert!(xero.is_xero());

        let emulator = Endpoints::at(Url::parse("http://127.0.0.1:8021/x/").unwrap());
        assert_eq!(emulator.token().as_str(), "http://127.0.0.1:8021/x/connect/token");
        assert_eq!(emulator.accounting(&["Contacts"]).as_str(), "http://127.0.0.1:8021/x/api.xro/2.0/Contacts");
        assert!(!emulator.is_xero());
    }

    #[test]
    fn bases_that_leak_or_cannot_work_are_refused() {
        let check = |text: &str| Endpoints::at(Url::parse(text).unwrap()).validate();
        for good in [
            "https://api.xero.com",
            "http://localhost:1",
            "http://127.0.0.1:8021",
            "http://[::1]:9/",
            "https://x.test/y",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for plain in ["http://api.xero.com", "http://10.0.0.1:80", "http://localhost.evil.test"] {
            assert!(matches!(check(plain), Err(EndpointsError::NotSecure(_))), "{plain}");
        }
        for odd in ["ftp://x.test", "data:text/plain,x", "file:///etc/hosts"] {
            assert!(matches!(check(odd), Err(EndpointsError::NotABase(_))), "{odd}");
        }
        let decorated = check("https://user:canary@x.test/?a=1").unwrap_err();
        assert!(matches!(&decorated, EndpointsError::Decorated(_)));
        assert!(!decorated.to_string().contains("canary"));
    }
}
