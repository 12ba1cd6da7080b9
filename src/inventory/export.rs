//! The content of the public views, row by row, as the views have it.

use rusqlite::types::ValueRef;
use serde_json::Value;

use super::error::StoreError;
use super::read::Reader;

/// The public views, in the order in which `help` explains them.
pub const PUBLIC_VIEWS: &[&str] = &[
    "keys",
    "stale_keys",
    "expired_keys",
    "expiring_keys",
    "orphaned_keys",
    "accounts",
    "scopes",
    "walks",
    "people",
    "holds",
    "acknowledgements",
    "changes",
    "waivers",
    "help",
];

/// A part of a view.
pub enum Piece<'a> {
    /// A view begins; its columns, in their order.
    Begin {
        /// One of [`PUBLIC_VIEWS`].
        view: &'static str,
        /// Names of the columns.
        columns: &'a [String],
    },
    /// One row of it: texts, whole numbers and nulls.
    Row {
        /// Names of the columns.
        columns: &'a [String],
        /// A value for each.
        values: &'a [Value],
    },
    /// It ends.
    End,
}

impl Reader {
    /// Gives these views to `take`, all of one state of the file.
    ///
    /// # Errors
    /// The file cannot be read, or `take` had enough.
    pub fn export<E: From<StoreError>>(
        &self,
        views: &[&'static str],
        mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stopped = None;
        self.read_blocking(|connection| {
            for view in views {
                let mut select = connection.prepare(&format!("SELECT * FROM \"{view}\""))?;
                let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
                let mut rows = select.query([])?;
                let mut taken = take(Piece::Begin { view, columns: &columns });
                while taken.is_ok()
                    && let Some(row) = rows.next()?
                {
                    let values = (0..columns.len()).map(|index| Ok(value(row.get_ref(index)?)));
                    let values: Vec<Value> = values.collect::<Result<_, rusqlite::Error>>()?;
                    taken = take(Piece::Row { columns: &columns, values: &values });
                }
                if let Err(error) = taken.and_then(|()| take(Piece::End)) {
                    stopped = Some(error);
                    break;
                }
            }
            Ok(())
        })?;
        stopped.map_or(Ok(()), Err)
    }
}

pub(super) fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::from(String::from_utf8_lossy(bytes)),
    }
}
