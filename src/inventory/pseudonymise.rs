//! Takes a person who left out of rows and history: a pseudonym stands where their id stood, name and address are removed.

use rusqlite::{Transaction, params};

use super::deadlines::rejudge_each;
use super::error::Stored;
use super::open::Inventory;
use super::outbox;
use super::read::Reader;

/// A person at one account, as `forget` finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgettable {
    row: i64,
    /// The account.
    pub account: String,
    /// The provider's id of the person.
    pub id: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The provider lists them as a member: the next poll would bring them back.
    pub listed: bool,
    /// Keys of theirs that lists still hold, or held a short while ago: their records name the owner.
    pub keys_there: u64,
    /// Keys of theirs in all.
    pub keys: u64,
    /// Keys in whose names their name, id or address occurs. Names are the provider's, and stay.
    pub keys_named_after: u64,
}

impl Forgettable {
    /// What would bring them back, where something would.
    pub const fn is_there(&self) -> bool {
        self.listed || self.keys_there > 0
    }
}

/// People of configured and former accounts by their id or e-mail address, letter case aside.
const FIND: &str = "
SELECT p.id, a.name, p.remote_id, p.name, p.email,
       a.configured AND o.id = a.organization_id AND p.listed AND p.unlisted_walk IS NULL,
       (SELECT count(*) FROM key AS k
         WHERE a.configured AND o.id = a.organization_id AND k.person_id = p.id AND k.presence IN ('present', 'missing')),
       (SELECT count(*) FROM key AS k WHERE k.person_id = p.id),
       (SELECT count(*) FROM key AS k WHERE k.organization_id = p.organization_id
           AND (instr(lower(k.name), lower(p.name)) OR instr(lower(k.name), lower(p.email)) OR instr(k.name, p.remote_id)))
  FROM person AS p
  JOIN organization AS o ON o.id = p.organization_id
  JOIN account AS a ON a.id = o.account_id
 WHERE lower(?1) IN (lower(p.remote_id), lower(p.email))
 ORDER BY a.name, p.id";

impl Reader {
    /// The people whom an id or an e-mail address names, one for each account that knows them.
    pub async fn forgettable(&self, owner: String) -> Stored<Vec<Forgettable>> {
        self.read(move |connection| {
            let mut select = connection.prepare(FIND)?;
            let people = select.query_map([owner], |row| {
                Ok(Forgettable {
                    row: row.get(0)?,
                    account: row.get(1)?,
                    id: row.get(2)?,
                    name: row.get(3)?,
                    email: row.get(4)?,
                    listed: row.get(5)?,
                    keys_there: row.get::<_, i64>(6)?.unsigned_abs(),
                    keys: row.get::<_, i64>(7)?.unsigned_abs(),
                    keys_named_after: row.get::<_, i64>(8)?.unsigned_abs(),
                })
            })?;
            Ok(people.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pseudonymised {
    /// What they are called now; every further one of them has a number behind it.
    pub pseudonym: String,
    /// No page of the file holds what was replaced. False where somebody read it, so that old pages had to stay.
    pub wiped: bool,
}

impl Inventory {
    /// Replaces them by a pseudonym, and rewrites the file, so that nothing of what was replaced is left in it.
    pub async fn pseudonymise(&self, people: Vec<Forgettable>) -> Stored<Pseudonymised> {
        let in_force = self.policy_in_force();
        let pseudonym = self
            .write(move |transaction| {
                let pseudonym: String =
                    transaction.query_row("SELECT 'forgotten-' || lower(hex(randomblob(6)))", [], |row| row.get(0))?;
                // History is not rewritten but for this.
                let trigger: String =
                    transaction
                        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'change_is_history'", [], |row| row.get(0))?;
                transaction.execute_batch("DROP TRIGGER change_is_history")?;
                for (number, person) in people.iter().enumerate() {
                    let further = if number == 0 { String::new() } else { format!("-{}", number + 1) };
                    replace(transaction, person, &format!("{pseudonym}{further}"))?;
                    // Rules and waivers may know keys by their owner.
                    rejudge_each(transaction, &in_force.or(&std::sync::Arc::default()), OWNED, person.row)?;
                }
                transaction.execute_batch(&trigger)?;
                Ok(pseudonym)
            })
            .await?;
        Ok(Pseudonymised { pseudonym, wiped: self.rewrite().await? })
    }
}

const OWNED: &str = "SELECT id FROM key WHERE person_id = ?1";

fn replace(transaction: &Transaction<'_>, person: &Forgettable, pseudonym: &str) -> Stored<()> {
    let of_organization = "(SELECT organization_id FROM person WHERE id = ?1)";
    transaction
        .execute("UPDATE person SET remote_id = ?2, name = NULL, email = NULL WHERE id = ?1", params![person.row, pseudonym])?;
    // Made of their name and address too; and whoever comes back is read anew.
    transaction.execute("UPDATE key SET fingerprint = 0 WHERE person_id = ?1", [person.row])?;
    // The list that was read in their name.
    transaction.execute(
        &format!("UPDATE scope SET remote_id = ?2, name = NULL WHERE organization_id = {of_organization} AND kind = 'member' AND remote_id = ?3"),
        params![person.row, pseudonym, person.id],
    )?;
    for column in ["before", "after"] {
        transaction.execute(
            &format!(
                "UPDATE change SET {column} = CASE WHEN {column} = ?3 THEN ?2 ELSE substr({column}, 1, instr({column}, ' ')) || ?2 END
                  WHERE ({column} = ?3 OR substr({column}, instr({column}, ' ') + 1) = ?3)
                    AND key_id IN (SELECT id FROM key WHERE organization_id = {of_organization})"
            ),
            params![person.row, pseudonym, person.id],
        )?;
    }
    transaction.execute(
        &format!(
            "UPDATE walk SET detail = NULL
              WHERE scope_id IN (SELECT id FROM scope WHERE organization_id = {of_organization})
                AND (instr(detail, ?2) OR instr(detail, ?3) OR instr(detail, ?4))"
        ),
        params![person.row, person.id, person.name, person.email],
    )?;
    outbox::pseudonymise(transaction, &outbox::Person { account: &person.account, id: &person.id, pseudonym })
}
