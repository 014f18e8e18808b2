//! What a model said, read: SQL, or that the data cannot answer.
//!
//! Models are told to answer with a JSON object. Many put it between fences, think aloud before it, or
//! write bare SQL; all that is understood. Nothing that is read here is trusted.

use serde_json::Value;

/// The longest explanation that is passed on, in characters.
const EXPLANATION: usize = 2_000;

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// SQL that it says answers the question.
    Sql {
        /// The SQL.
        sql: String,
        /// What it says about it; may be empty.
        explanation: String,
    },
    /// The data cannot answer the question.
    Declined {
        /// Why, in its words.
        why: String,
    },
    /// Something else.
    Unreadable,
}

/// Reads a reply. Takes time in proportion to its length.
pub(super) fn read(reply: &str) -> Said {
    let text = without_thoughts(reply).trim();
    if let Some(said) = object(text).and_then(|o| of_object(&o)) {
        return said;
    }
    let bare = fenced(text).unwrap_or(text).trim();
    if begins_a_query(bare) {
        return Said::Sql { sql: bare.to_owned(), explanation: String::new() };
    }
    Said::Unreadable
}

/// The JSON object in a reply: all of it, or from the first brace to the last.
pub(super) fn object(reply: &str) -> Option<Value> {
    let text = without_thoughts(reply).trim();
    let between = || {
        let (start, end) = (text.find('{')?, text.rfind('}')?);
        serde_json::from_str(text.get(start..=end)?).ok()
    };
    let whole = serde_json::from_str(text).ok();
    whole.or_else(between).filter(Value::is_object)
}

fn of_object(object: &Value) -> Option<Said> {
    let explanation = object.get("explanation").and_then(Value::as_str).map(clean).unwrap_or_default();
    match object.get("sql")? {
        Value::String(sql) if !sql.trim().is_empty() => {
            Some(Said::Sql { sql: sql.trim().to_owned(), explanation })
        }
        Value::String(_) | Value::Null => Some(Said::Declined { why: explanation }),
        _ => None,
    }
}

/// What comes after the thoughts that some models send along.
fn without_thoughts(reply: &str) -> &str {
    reply.rsplit_once("</think>").map_or(reply, |(_, after)| after)
}

/// What stands between the first fences.
fn fenced(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("```")?;
    let (_, after) = after.split_once('\n')?;
    Some(after.split_once("```").map_or(after, |(inside, _)| inside))
}

fn begins_a_query(text: &str) -> bool {
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).take(8).collect();
    matches!(word.to_ascii_uppercase().as_str(), "SELECT" | "WITH")
}

/// A text for people: bounded, on one line, without characters that do not show.
fn clean(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(EXPLANATION).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sql(sql: &str, explanation: &str) -> Said {
        Said::Sql { sql: sql.to_owned(), explanation: explanation.to_owned() }
    }

    #[test]
    fn sql_is_found_in_whatever_form() {
        let object = r#"{"sql": "SELECT 1", "explanation": "One."}"#;
        for reply in [
            object.to_owned(),
            format!("```json\n{object}\n```"),
            format!("Sure! Here it is:\n{object}\nHope it helps."),
            format!("<think>{{\"sql\": \"SELECT 2\"}}</think>\n{object}"),
        ] {
            assert_eq!(read(&reply), sql("SELECT 1", "One."), "{reply}");
        }
        for reply in [
            "SELECT 1",
            "```sql\nSELECT 1\n```",
            "Here:\n```\nSELECT 1\n```\nDone.",
            "{\"sql\": \" SELECT 1 \"}",
        ] {
            assert_eq!(read(reply), sql("SELECT 1", ""), "{reply}");
        }
        assert_eq!(
            read("with a as (select 1) select * from a"),
            sql("with a as (select 1) select * from a", "")
        );
    }

    #[test]
    fn what_cannot_be_answered_is_said_so() {
        let declined = Said::Declined { why: "There is no\u{20}price.".to_owned() };
        assert_eq!(read("{\"sql\": null, \"explanation\": \"There is no\\nprice.\"}"), declined);
        assert_eq!(read("{\"sql\": \"\"}"), Said::Declined { why: String::new() });
    }

    #[test]
    fn anything_else_is_unreadable() {
        for reply in [
            "",
            "I cannot do that.",
            "[1]",
            "{}",
            "{\"sql\": 1}",
            "{\"query\": \"SELECT 1\"}",
            "```",
            "}{",
            "DROP TABLE x",
        ] {
            assert_eq!(read(reply), Said::Unreadable, "{reply}");
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_read_without_a_panic(reply in "\\PC{0,200}|[`{}\"a-z\n<>/:]{0,80}") {
            let _ = read(&reply);
        }

        #[test]
        fn sql_comes_back_as_it_was_written(text in "SELECT \\PC{0,80}[a-z]", before in "[a-z ]{0,20}") {
            let reply = format!("{before}{}", json!({"sql": text, "explanation": "e"}));
            prop_assert_eq!(read(&reply), sql(&text, "e"));
        }
    }
}
