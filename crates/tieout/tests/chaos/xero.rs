//! The emulated Xero as a process of its own, and somebody who works in its pages, over its control API.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

/// The emulator's process. It is killed on drop.
pub(crate) struct Xero {
    child: Child,
    pub(crate) port: u16,
    base: String,
    http: reqwest::Client,
}

/// What a deed gives, or the message with which Xero refuses it.
pub(crate) type Answer = Result<Value, String>;

impl Xero {
    pub(crate) async fn start(folder: &Path, seed: u64) -> Self {
        let port = crate::free_port();
        let log = File::create(folder.join("xero.log")).unwrap();
        let child = crate::processes::program()
            .args(["emulator", "--addr", &format!("127.0.0.1:{port}"), "--seed", &seed.to_string()])
            .args(["--size", "20", "--auto-consent", "--no-limits", "--latency-ms", "15"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let xero = Self { child, port, base: format!("http://127.0.0.1:{port}"), http };
        for _ in 0..200 {
            if xero.control("GET", "health", None).await.is_ok() {
                return xero;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the emulator does not answer on {}", xero.base);
    }

    /// A call of the control API: `path` is what comes after `/_emulator/`.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}/_emulator/{path}", self.base));
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|error| format!("{:?}", error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
        if status.is_success() { Ok(value) } else { Err(value["error"].as_str().unwrap_or(&text).to_owned()) }
    }

    async fn page(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        // Prices keep their four decimals.
        let path = format!("tenants/0/xero/{path}{}unitdp=4", if path.contains('?') { '&' } else { '?' });
        self.control(method, &path, body.map(Value::to_string)).await
    }

    /// Makes a record.
    pub(crate) async fn create(&self, endpoint: &str, body: &Value) -> Answer {
        self.page("PUT", endpoint, Some(body)).await
    }

    /// Changes the fields that are sent.
    pub(crate) async fn edit(&self, endpoint: &str, id: Uuid, body: &Value) -> Answer {
        self.page("POST", &format!("{endpoint}/{id}"), Some(body)).await
    }

    pub(crate) async fn read(&self, endpoint: &str, id: Uuid) -> Answer {
        Ok(self.page("GET", &format!("{endpoint}/{id}"), None).await?[0].clone())
    }

    /// What is no edit of fields, e.g. `invoices/{id}/void`.
    pub(crate) async fn deed(&self, path: &str) -> Answer {
        self.control("POST", &format!("tenants/0/{path}"), Some("{}".into())).await
    }

    /// Every record of an endpoint, archived, voided and deleted ones included.
    pub(crate) async fn list(&self, endpoint: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for page in 1.. {
            let path = format!("{endpoint}?includeArchived=true&pageSize=1000&page={page}");
            let rows = self.page("GET", &path, None).await.unwrap();
            let rows = rows.as_array().cloned().unwrap_or_default();
            // Endpoints without pages give everything every time.
            let is_last = rows.len() < 1_000 || rows.first() == all.first();
            if page == 1 || rows.first() != all.first() {
                all.extend(rows);
            }
            if is_last {
                break;
            }
        }
        all
    }

    pub(crate) async fn counters(&self) -> Value {
        self.control("GET", "tenants/0/counters", None).await.unwrap()
    }
}

impl Drop for Xero {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
