//! Help, settings and their order, keys and files.

use serde_json::Value;

use crate::harness::{KEY, Sandbox};

const COMMANDS: &[&str] = &[
    "demo",
    "serve",
    "sync",
    "sync full",
    "sync incremental",
    "sync apply",
    "sync entity",
    "push",
    "status",
    "runs",
    "records",
    "failures",
    "conflicts",
    "candidates",
    "brakes",
    "agree",
    "connect",
    "disconnect",
    "refresh-token",
    "doctor",
    "emulator",
    "config",
    "keys",
    "completion",
    "version",
];

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    shown.as_array().unwrap().iter().find(|row| row["setting"] == key).unwrap()
}

#[tokio::test]
async fn every_help_leads_with_examples() {
    let sandbox = Sandbox::empty();
    let help =
        sandbox.run(&["--help"]).await.assert(0, &["Exit codes:", "78 wrong settings, or no key", "130 interrupted"]);
    assert!(help.out.starts_with("Examples:\n  tieout demo "), "{}", help.out);
    for command in COMMANDS {
        let mut words: Vec<&str> = command.split(' ').collect();
        assert!(help.out.contains(&format!("\n  {} ", words[0])), "{command} in {}", help.out);
        words.push("--help");
        let own = sandbox.run(&words).await.assert(0, &["Usage: tieout"]);
        assert!(own.out.starts_with("Examples:\n  tieout "), "{command}: {}", own.out);
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_a_usage_error() {
    let sandbox = Sandbox::empty();
    for wrong in [
        "nonsense",
        "sync half",
        "sync apply x",
        "status --what",
        "runs show x",
        "status -o xml",
        "runs --limit 0",
        "conflicts resolve 1",
        "conflicts resolve 1 --app --xero",
        "conflicts resolve --all --set a=b",
        "failures retry",
        "records explain customer x",
        "candidates same customer 1 x",
    ] {
        let words: Vec<&str> = wrong.split(' ').collect();
        let ended = sandbox.run(&words).await;
        assert_eq!(ended.exit, 2, "{wrong}: {ended:?}");
        assert!(ended.out.is_empty() && ended.err.contains("--help"), "{wrong}: {ended:?}");
    }
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_over_the_file() {
    let mut sandbox = Sandbox::empty();
    let from = |shown: &Value| setting(shown, "database_url")["origin"].clone();
    let show = ["config", "show", "-o", "json"];
    assert_eq!(from(&sandbox.run(&show).await.json()), "default");
    sandbox.write("tieout.toml", "database_url = \"sqlite://file.db\"\n");
    assert_eq!(from(&sandbox.run(&show).await.json()), "file");
    sandbox.set("TIEOUT_DATABASE_URL", "sqlite://env.db");
    assert_eq!(from(&sandbox.run(&show).await.json()), "env");
    let flag = ["config", "show", "-o", "json", "--database-url", "sqlite://flag.db"];
    let shown = sandbox.run(&flag).await.json();
    assert_eq!(
        (from(&shown).as_str(), setting(&shown, "database_url")["value"].as_str()),
        (Some("flag"), Some("sqlite://flag.db"))
    );
    // And it is what the program goes by, not only what it shows.
    sandbox.run(&["status", "--database-url", "sqlite://flag.db"]).await.assert(10, &["flag.db"]);
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let mut sandbox = Sandbox::empty();
    sandbox.write("tieout.toml", "[xero]\nclient_id = \"ABC\"\nclient_secret = \"canary-secret\"\n");
    sandbox.set("TIEOUT_ENCRYPTION_KEY", KEY);
    sandbox.set("TIEOUT_DATABASE_URL", "postgres://me:canary-password@127.0.0.1:9/books");
    sandbox.set("TIEOUT_LOG_LEVEL", "trace");
    for command in ["config show", "config show -o json", "config check", "doctor", "status"] {
        let words: Vec<&str> = command.split(' ').collect();
        let Ok(said) = serde_json::to_string(&format!("{:?}", sandbox.run(&words).await)) else { unreachable!() };
        assert!(!said.contains("canary") && !said.contains(KEY), "{command}: {said}");
    }
}

#[tokio::test]
async fn beginning_goes_from_one_command_to_the_next() {
    let sandbox = Sandbox::empty();
    sandbox.run(&["config", "check"]).await.assert(78, &["no Xero app is configured", "tieout config init"]);
    sandbox.run(&["config", "init"]).await.assert(0, &["wrote tieout.toml", "tieout config new-key"]);
    sandbox.run(&["config", "init"]).await.assert(1, &["is there already"]);
    let file = std::fs::read_to_string(sandbox.path().join("tieout.toml")).unwrap();
    sandbox.write("tieout.toml", &file.replace("#client_id", "client_id"));
    sandbox.run(&["config", "check"]).await.assert(78, &["no encryption key", "tieout config new-key"]);
    sandbox.run(&["config", "new-key", "--file", "tieout.key"]).await.assert(0, &["a new key lies in tieout.key"]);
    sandbox.run(&["config", "new-key", "--file", "tieout.key"]).await.assert(1, &["is there already"]);
    let with_key = file.replace("#client_id", "client_id").replace("#encryption_key_file", "encryption_key_file");
    sandbox.write("tieout.toml", &with_key);
    sandbox.run(&["config", "check"]).await.assert(0, &["the settings are sound (tieout.toml)"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut sandbox = Sandbox::empty();
    sandbox.run(&["config", "new-key", "--file", "tieout.key"]).await.assert(0, &[]);
    let key = sandbox.path().join("tieout.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    sandbox.set("TIEOUT_ENCRYPTION_KEY_FILE", "tieout.key");
    sandbox.set("TIEOUT_XERO_CLIENT_ID", "ABC");
    sandbox.run(&["config", "check"]).await.assert(0, &[]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.run(&["config", "check"]).await.assert(78, &["open to others (mode 0644)", "chmod 600 tieout.key"]);
}

#[tokio::test]
async fn a_shell_gets_its_completions() {
    let sandbox = Sandbox::empty();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = sandbox.run(&["completion", shell]).await.assert(0, &["tieout", "incremental"]);
        assert!(script.err.is_empty(), "{}", script.err);
    }
    let version = sandbox.run(&["version", "--json"]).await.json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}
