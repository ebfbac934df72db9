//! The application's own connection to its tables: plain SQL, without the engine.

/// A connection as an application, `psql` or `sqlite3` would open it.
pub enum App {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client),
}

impl App {
    pub async fn open(url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite://") {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
            return Self::Sqlite(connection);
        }
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self::Postgres(client)
    }

    /// Runs statements and returns the number of rows that the last one changed.
    pub async fn run(&self, sql: &str) -> u64 {
        match self {
            Self::Sqlite(connection) => {
                let mut changed = 0;
                for statement in sql.split(';').filter(|text| !text.trim().is_empty()) {
                    changed = connection.execute(statement, []).unwrap() as u64;
                }
                changed
            }
            Self::Postgres(client) => {
                let mut changed = 0;
                for statement in sql.split(';').filter(|text| !text.trim().is_empty()) {
                    changed = client.execute(statement, &[]).await.unwrap();
                }
                changed
            }
        }
    }

    /// The same where the database may refuse.
    pub async fn try_run(&self, sql: &str) -> Result<u64, String> {
        match self {
            Self::Sqlite(connection) => {
                connection.execute(sql, []).map(|n| n as u64).map_err(|error| error.to_string())
            }
            Self::Postgres(client) => client.execute(sql, &[]).await.map_err(|error| format!("{error:?}")),
        }
    }

    /// The first column of the result, as text; NULL is `None`.
    pub async fn texts(&self, sql: &str) -> Vec<Option<String>> {
        match self {
            Self::Sqlite(connection) => {
                let sql = format!("SELECT CAST(c AS TEXT) FROM ({sql})");
                let mut statement = connection.prepare(&sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Self::Postgres(client) => {
                let sql = format!("SELECT CAST(c AS TEXT) FROM ({sql}) q");
                client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// One value, as text. The query names its column `c`.
    pub async fn text(&self, sql: &str) -> Option<String> {
        self.texts(sql).await.into_iter().next().flatten()
    }
}
