//! What the columns of the public views mean, as the file itself tells it in the view `help`.

const HELP: &str = include_str!("views/help.sql");

/// What a column of a view means; of the view itself where the column is empty. `None` where nothing is told.
pub fn meaning(view: &str, column: &str) -> Option<String> {
    HELP.lines().find_map(|line| {
        let row = line.trim().strip_prefix("('")?.trim_end_matches([',', ';']).strip_suffix("')")?;
        let mut cells = row.splitn(3, "', '");
        let (of, columns, meaning) = (cells.next()?, cells.next()?, cells.next()?);
        (of == view && columns.split(", ").any(|one| one == column)).then(|| meaning.replace("''", "'"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings_are_read() {
        assert_eq!(meaning("keys", "owner_id"), meaning("keys", "owner_kind"));
        assert!(meaning("accounts", "reason").unwrap().starts_with("why up is 0: what the first"));
        assert!(meaning("keys", "key_id").unwrap().contains("provider's id of the key;"));
        assert!(meaning("help", "").is_some() && meaning("keys", "colour").is_none() && meaning("colours", "").is_none());
    }
}
