//! What every list says beside its rows, on standard error: how old everything is that it rests on, and which lists cannot be seen.

use super::output::{note_line, warning_line};
use crate::views::Views;
use crate::views::shown::{relative, several};

/// Tells it, of these accounts or of all. A short list is good news only where everything could be looked at.
///
/// # Errors
/// The inventory cannot be read.
pub async fn tell(views: &Views, accounts: &[String]) -> anyhow::Result<()> {
    let (age, unseen) = views.worth(accounts.to_vec()).await?;
    let since = age.since().map(|since| format!(" at {since}, {}", relative(since, views.clock().now())));
    let said = format!("{}{}", age.sentence(), since.unwrap_or_default());
    if age.is_good() {
        note_line(&said)
    } else {
        warning_line(&said)
    }
    if !unseen.named.is_empty() {
        let more = if unseen.beyond > 0 { format!(" and {} more", unseen.beyond) } else { String::new() };
        let (lists, named) = (several(unseen.in_all(), "list"), unseen.named.join(", "));
        warning_line(&format!("{lists} cannot be seen whole: {named}{more}; 'keymuster db export --view scopes' tells why"));
    }
    Ok(())
}
