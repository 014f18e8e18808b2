//! Looking for words in what people wrote. Texts are sealed in the database, so they are opened and looked at here.

use uuid::Uuid;
use weir_infra::{http::Problem, vault::Vault};

use crate::reader::Reader;

/// The ids of the things whose name or text contains `words`, whatever the case; `None` where nothing is looked for.
/// `sql` gives `id`, `name` and `text` of what may be one.
///
/// # Errors
/// 503 when the database does not answer.
pub(crate) async fn matching(
    db: &Reader<'_>,
    vault: &Vault,
    sql: &str,
    words: Option<&str>,
) -> Result<Option<Vec<Uuid>>, Problem> {
    let Some(words) = words.map(str::to_lowercase) else { return Ok(None) };
    let things = db.all(sql, &[], |row| {
        let (name, text): (Option<String>, Option<String>) = (row.try_get("name")?, row.try_get("text")?);
        Ok((row.try_get("id")?, name.unwrap_or_default(), text.unwrap_or_default()))
    });
    let mut found = Vec::new();
    for (id, name, text) in things.await? {
        let text = vault.open_text(db.workspace(), text).await?;
        if format!("{name} {text}").to_lowercase().contains(&words) {
            found.push(id);
        }
    }
    Ok(Some(found))
}
