//! The PostgreSQL server of the tests: one per checkout and user, started by whichever process needs it first.
//!
//! nextest runs each test in a process of its own, so the server's address lies in a file that all of them find, and a
//! lock on a second file lets only one of them start it. The cluster lies in the system's temporary directory, listens
//! on a free loopback port, trades durability for speed, and is thrown away: by `test-postgres stop`, by itself half an
//! hour after the last test, or by the next start when it was found dead.

use std::{
    ffi::OsStr,
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::Read,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use crate::database::{blocking, try_connect};

/// Names a running server to use instead: `postgres://user:password@host:port/database`, of a user who may create
/// databases.
const URL_VARIABLE: &str = "TIEOUT_TEST_POSTGRES_URL";
/// A port that was free can be taken before the server binds it.
const START_ATTEMPTS: u32 = 3;
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
checkpoint_timeout = '1h'
";
/// Stops the server when the address file was not touched for half an hour: a developer's last test run is over.
/// Ends with the server. Arguments: the address file, pg_ctl, the data directory.
const IDLE_WATCH: &str = r#"
while sleep 60 && "$2" -D "$3" status; do
    [ -n "$(find "$1" -mmin -30)" ] || exec "$2" -D "$3" -m immediate stop
done
"#;

/// A PostgreSQL server that tests may make databases on.
#[derive(Clone, Debug)]
pub struct Server {
    admin_url: String,
}

impl Server {
    /// The server of this checkout, started when it is not running; the one named by `TIEOUT_TEST_POSTGRES_URL` if set.
    ///
    /// # Errors
    /// A message for the person who runs the tests, with the install command when PostgreSQL is missing.
    pub fn running() -> Result<Self, String> {
        if let Ok(admin_url) = std::env::var(URL_VARIABLE) {
            return Ok(Self { admin_url });
        }
        Ok(Self { admin_url: Home::of_checkout()?.running()? })
    }

    /// Stops the server of this checkout and removes its data; does nothing when there is none.
    ///
    /// # Errors
    /// A message that says what could not be removed.
    pub fn stop() -> Result<(), String> {
        Home::of_checkout()?.stop()
    }

    /// The URL of the database in which other databases are made.
    pub fn admin_url(&self) -> String {
        self.admin_url.clone()
    }

    /// The URL of another database of this server.
    pub(crate) fn database_url(&self, name: &str) -> String {
        let (address, options) = match self.admin_url.split_once('?') {
            Some((address, options)) => (address, format!("?{options}")),
            None => (self.admin_url.as_str(), String::new()),
        };
        let host_starts = address.find("://").map_or(0, |position| position + 3);
        let host_ends = address[host_starts..].find('/').map_or(address.len(), |position| host_starts + position);
        format!("{}/{name}{options}", &address[..host_ends])
    }
}

/// The directory of one checkout's server, and the user that the server runs as.
struct Home {
    directory: PathBuf,
    server_user: Option<User>,
}

/// PostgreSQL refuses to run as root; then it runs as this user.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Home {
    fn of_checkout() -> Result<Self, String> {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
        let name = format!("tieout-postgres-{}-{:016x}", id(&["-u"])?, hasher.finish());
        Self::at(std::env::temp_dir().join(name))
    }

    fn at(directory: PathBuf) -> Result<Self, String> {
        let uid = id(&["-u"])?;
        fs::create_dir_all(&directory).map_err(|error| cannot("make", &directory, error))?;
        let owner = fs::metadata(&directory).map_err(|error| cannot("read", &directory, error))?.uid();
        if owner != uid {
            return Err(format!("{} belongs to another user; remove it or set TMPDIR", directory.display()));
        }
        // Others may pass through to the data directory (the server's user must), but not look.
        set_mode(&directory, 0o711)?;
        let server_user = if uid == 0 { Some(unprivileged_user()?) } else { None };
        Ok(Self { directory, server_user })
    }

    /// The address of the server, which runs now.
    fn running(&self) -> Result<String, String> {
        let _lock = self.lock()?;
        let admin_url = match self.address().filter(|url| answers(url)) {
            Some(running) => running,
            None => self.start()?,
        };
        // Also the sign of life that the idle watch looks at.
        write(&self.address_file(), &admin_url)?;
        Ok(admin_url)
    }

    fn stop(&self) -> Result<(), String> {
        let _lock = self.lock()?;
        self.clear()
    }

    fn lock(&self) -> Result<File, String> {
        let path = self.directory.join("lock");
        let file = File::create(&path).map_err(|error| cannot("make", &path, error))?;
        file.lock().map_err(|error| cannot("lock", &path, error))?;
        Ok(file)
    }

    fn address_file(&self) -> PathBuf {
        self.directory.join("address")
    }

    fn address(&self) -> Option<String> {
        fs::read_to_string(self.address_file()).ok()
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn start(&self) -> Result<String, String> {
        self.clear()?;
        let programs = programs()?;
        let data = self.data();
        fs::create_dir(&data).map_err(|error| cannot("make", &data, error))?;
        self.give_to_server_user(&data)?;
        let password = random_hex()?;
        let password_file = self.directory.join("password");
        write(&password_file, &password)?;
        self.give_to_server_user(&password_file)?;
        let mut initdb = self.command(&programs.join("initdb"));
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password_file);
        initdb.args(["-U", "tieout", "-E", "UTF8", "--no-locale", "--no-sync", "--auth=scram-sha-256"]);
        let made = run(&mut initdb);
        fs::remove_file(&password_file).map_err(|error| cannot("remove", &password_file, error))?;
        made?;

        let mut failure = String::new();
        for _ in 0..START_ATTEMPTS {
            let port = free_port()?;
            let settings = data.join("postgresql.auto.conf");
            write(&settings, &format!("port = {port}\n{SETTINGS}"))?;
            self.give_to_server_user(&settings)?;
            let mut start = self.command(&programs.join("pg_ctl"));
            start.arg("-D").arg(&data).arg("-l").arg(data.join("log")).args(["-w", "-t", "60", "start"]);
            match run(&mut start) {
                Ok(_) => {
                    self.watch_for_idleness(&programs)?;
                    return Ok(format!("postgres://tieout:{password}@127.0.0.1:{port}/postgres"));
                }
                Err(error) => failure = error,
            }
        }
        let log = fs::read_to_string(data.join("log")).unwrap_or_default();
        Err(format!("the tests' PostgreSQL server does not start: {failure}\n{log}"))
    }

    /// Stops what runs, if it runs, and removes its files.
    fn clear(&self) -> Result<(), String> {
        let data = self.data();
        if data.exists() {
            if let Ok(programs) = programs() {
                let mut stop = self.command(&programs.join("pg_ctl"));
                stop.arg("-D").arg(&data).args(["-m", "immediate", "-w", "stop"]);
                // Fails when nothing runs, which is as good.
                let _ = run(&mut stop);
            }
            fs::remove_dir_all(&data).map_err(|error| cannot("remove", &data, error))?;
        }
        match fs::remove_file(self.address_file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(cannot("remove", &self.address_file(), error))
            }
            _ => Ok(()),
        }
    }

    fn watch_for_idleness(&self, programs: &Path) -> Result<(), String> {
        let mut watch = self.command(Path::new("sh"));
        watch.args(["-c", IDLE_WATCH, "idle-watch"]).arg(self.address_file());
        watch.arg(programs.join("pg_ctl")).arg(self.data()).process_group(0);
        watch.stdout(Stdio::null()).stderr(Stdio::null());
        watch.spawn().map(drop).map_err(|error| format!("cannot start the idle watch: {error}"))
    }

    /// A command that runs as the server's user, in a directory that this user may be in.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory).stdin(Stdio::null());
        if let Some(user) = self.server_user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn give_to_server_user(&self, path: &Path) -> Result<(), String> {
        match self.server_user {
            Some(user) => chown(path, Some(user.uid), Some(user.gid)).map_err(|error| cannot("give away", path, error)),
            None => Ok(()),
        }
    }
}

/// Where initdb, pg_ctl and postgres are.
fn programs() -> Result<PathBuf, String> {
    let parents = [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ];
    find_programs(&parents, &std::env::var_os("PATH").unwrap_or_default())
}

/// The newest of the versions that distributions put side by side (folder and start of the name there), else the search
/// path.
fn find_programs(parents: &[(&str, &str)], search_path: &OsStr) -> Result<PathBuf, String> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix) in parents {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            versions.extend(version.map(|version| (version, entry.path().join("bin"))));
        }
    }
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, path)| path);
    newest_first
        .chain(std::env::split_paths(search_path))
        .find(|path| ["initdb", "pg_ctl", "postgres"].iter().all(|program| path.join(program).is_file()))
        .ok_or_else(|| {
            format!(
                "PostgreSQL is not installed, and these tests run on the real thing: \
                 `apt-get install postgresql` on Debian and Ubuntu, `dnf install postgresql-server` on Fedora, \
                 `brew install postgresql@17` on macOS, or name a server in {URL_VARIABLE}"
            )
        })
}

fn unprivileged_user() -> Result<User, String> {
    for name in ["postgres", "nobody"] {
        if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(User { uid, gid });
        }
    }
    Err("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as".to_owned())
}

fn id(arguments: &[&str]) -> Result<u32, String> {
    let output = run(Command::new("id").args(arguments))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| format!("`id` answered `{}`, not a number", text.trim()))
}

fn run(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!(
        "{program} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Whether the address leads to our server: one that was killed, or whose port now belongs to something else, does not.
fn answers(url: &str) -> bool {
    let url = url.to_owned();
    let attempt = blocking(move || async move {
        matches!(tokio::time::timeout(Duration::from_secs(10), try_connect(&url)).await, Ok(Ok(_)))
    });
    attempt == Some(true)
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on the loopback interface: {error}"))
}

/// A password: whoever else is on this machine must not be superuser of a server that runs as the developer.
fn random_hex() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    let path = Path::new("/dev/urandom");
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(|error| cannot("read", path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only its owner can read.
fn write(path: &Path, content: &str) -> Result<(), String> {
    if !path.exists() {
        File::create(path).map_err(|error| cannot("make", path, error))?;
        set_mode(path, 0o600)?;
    }
    fs::write(path, content).map_err(|error| cannot("write", path, error))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| cannot("protect", path, error))
}

fn cannot(verb: &str, path: &Path, error: std::io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, fs, process::Command};

    use super::{Home, Server, answers, find_programs};
    use crate::temp_dir::TempDir;

    #[test]
    fn a_server_that_was_killed_is_replaced() {
        let directory = TempDir::new();
        let home = Home::at(directory.path().join("server")).unwrap();
        let first = home.running().unwrap();
        assert_eq!(home.running().unwrap(), first, "a running server is shared");

        let lock_file = fs::read_to_string(home.data().join("postmaster.pid")).unwrap();
        let process = lock_file.lines().next().unwrap();
        assert!(Command::new("kill").args(["-9", process]).status().unwrap().success());
        let second = home.running().unwrap();
        assert_ne!(second, first);
        assert!(answers(&second) && !answers(&first));

        home.stop().unwrap();
        assert!(!answers(&second) && !home.data().exists());
        home.stop().unwrap();
    }

    #[test]
    fn the_newest_postgresql_is_found() {
        let directory = TempDir::new();
        let parent = directory.path().to_str().unwrap();
        for (version, programs) in [
            ("9", &["initdb", "pg_ctl", "postgres"][..]),
            ("15", &["initdb", "pg_ctl", "postgres"]),
            ("17", &["pg_ctl"]),
            ("common", &["initdb", "pg_ctl", "postgres"]),
        ] {
            let folder = directory.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for program in programs {
                fs::write(folder.join(program), "").unwrap();
            }
        }
        let found = find_programs(&[(parent, "")], OsStr::new(""));
        assert_eq!(found, Ok(directory.path().join("15").join("bin")), "17 has only the client");
        let on_the_path = directory.path().join("9").join("bin");
        assert_eq!(find_programs(&[], on_the_path.as_os_str()), Ok(on_the_path.clone()));
    }

    #[test]
    fn missing_postgresql_names_the_command_that_installs_it() {
        let message = find_programs(&[], OsStr::new("")).unwrap_err();
        assert!(message.contains("apt-get install postgresql"), "{message}");
    }

    #[test]
    fn the_database_of_a_url_is_replaced() {
        for (admin, expected) in [
            ("postgres://u:p@127.0.0.1:5432/postgres", "postgres://u:p@127.0.0.1:5432/x"),
            ("postgres://u@db.example", "postgres://u@db.example/x"),
            ("postgresql://u@h:1/a?sslmode=disable", "postgresql://u@h:1/x?sslmode=disable"),
        ] {
            assert_eq!(Server { admin_url: admin.to_owned() }.database_url("x"), expected);
        }
    }
}
