//! Brakes: runs that would change or remove too much stop and ask.

use jiff::Timestamp;
use model::{ConnectionId, Kind};

use crate::failures::Direction;
use crate::runs::stored;
use crate::value::{Column, Row, Value};
use crate::{Error, Tx};

stored! {
    /// What there would be too much of.
    BrakeWhat {
        /// Records removed.
        Remove = "REMOVE",
        /// Records changed.
        Change = "CHANGE",
    }
}

stored! {
    /// How a brake stands.
    BrakeState {
        /// A person must say.
        Open = "OPEN",
        /// A person said yes; good for one run.
        Approved = "APPROVED",
        /// That run was.
        Used = "USED",
        /// A person said no.
        Refused = "REFUSED",
    }
}

/// A question whether so much shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brake {
    /// Its id.
    pub id: i64,
    /// Kind of the records.
    pub kind: Kind,
    /// Which side would be written.
    pub direction: Direction,
    /// What would be done to them.
    pub what: BrakeWhat,
    /// To how many.
    pub would: i64,
    /// Of how many.
    pub of_all: i64,
    /// How it stands.
    pub state: BrakeState,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When it was asked.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, kind, direction, what, would, of_all, state, decided_by, decided_at, created_at";

fn brake(row: &mut Row) -> Result<Brake, Error> {
    Ok(Brake {
        id: row.take()?,
        kind: row.take()?,
        direction: row.take()?,
        what: row.take()?,
        would: row.take()?,
        of_all: row.take()?,
        state: row.take()?,
        decided_by: row.take()?,
        decided_at: row.take()?,
        created_at: row.take()?,
    })
}

impl Tx {
    /// The brake that holds here, or that a person released for one run.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn brake(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        direction: Direction,
        what: BrakeWhat,
    ) -> Result<Option<Brake>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM brakes WHERE connection_id = $1 AND kind = $2 AND direction = $3 AND what = $4 \
             AND state IN ('OPEN', 'APPROVED')"
        );
        let params = [Value::Int(connection.0), Value::Text(kind.as_str()), direction.bind(), what.bind()];
        self.query_opt(&sql, &params).await?.map(|mut row| brake(&mut row)).transpose()
    }

    /// Stops here and asks, or brings the figures of the open question up to date; returns its id. One that a person
    /// released stays released.
    ///
    /// # Errors
    /// Those of the database.
    #[expect(clippy::too_many_arguments, reason = "a brake is named by four")]
    pub async fn open_brake(
        &mut self,
        connection: ConnectionId,
        kind: Kind,
        direction: Direction,
        what: BrakeWhat,
        would: i64,
        of_all: i64,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO brakes (connection_id, kind, direction, what, would, of_all, state, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, 'OPEN', $7) \
                   ON CONFLICT (connection_id, kind, direction, what) WHERE state IN ('OPEN', 'APPROVED') \
                   DO UPDATE SET would = $5, of_all = $6 RETURNING id";
        let params = [
            Value::Int(connection.0),
            Value::Text(kind.as_str()),
            direction.bind(),
            what.bind(),
            Value::Int(would),
            Value::Int(of_all),
            Value::Instant(now),
        ];
        self.query_one(sql, &params).await?.take()
    }

    /// Answers a brake; false if it is not open.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn decide_brake(
        &mut self,
        connection: ConnectionId,
        id: i64,
        approve: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sql = "UPDATE brakes SET state = $3, decided_by = $4, decided_at = $5 \
                   WHERE connection_id = $1 AND id = $2 AND state = 'OPEN'";
        let state = if approve { BrakeState::Approved } else { BrakeState::Refused };
        let params = [Value::Int(connection.0), Value::Int(id), state.bind(), Value::Text(by), Value::Instant(now)];
        Ok(self.execute(sql, &params).await? > 0)
    }

    /// Uses up an approval.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn use_brake(&mut self, id: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE brakes SET state = 'USED', decided_at = COALESCE(decided_at, $2) \
                   WHERE id = $1 AND state = 'APPROVED'";
        self.execute(sql, &[Value::Int(id), Value::Instant(now)]).await.map(drop)
    }

    /// The brakes of a connection, newest first, at most 100.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn brakes(&mut self, connection: ConnectionId) -> Result<Vec<Brake>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM brakes WHERE connection_id = $1 ORDER BY id DESC LIMIT 100");
        self.query(&sql, &[Value::Int(connection.0)]).await?.iter_mut().map(brake).collect()
    }
}
