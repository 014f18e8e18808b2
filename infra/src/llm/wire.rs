//! The two forms of a conversation in JSON.
//!
//! Requests say as little as possible: servers that speak a dialect differ in which of its options they
//! know, and newer models refuse older options.

use serde::{Deserialize, Serialize};

use super::{Dialect, Error, Message, Reply, Role};

/// Anthropic wants to be told how long an answer may be, in tokens. SQL and a few sentences are shorter.
const LONGEST: u32 = 4_096;

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Chat<'a> {
    model: &'a str,
    messages: Vec<Said<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Messages<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    system: String,
    messages: Vec<Said<'a>>,
}

/// The body of a request.
pub(super) fn request(dialect: Dialect, model: &str, messages: &[Message]) -> Vec<u8> {
    let said = |m: &&'_ Message| m.role != Role::System;
    let all = || messages.iter();
    let body = match dialect {
        Dialect::OpenAi => {
            let messages = all().map(|m| Said { role: m.role.as_str(), content: &m.text }).collect();
            serde_json::to_vec(&Chat { model, messages, stream: false })
        }
        Dialect::Anthropic => {
            let rules: Vec<&str> = all().filter(|m| !said(m)).map(|m| m.text.as_str()).collect();
            let messages =
                all().filter(said).map(|m| Said { role: m.role.as_str(), content: &m.text }).collect();
            serde_json::to_vec(&Messages { model, max_tokens: LONGEST, system: rules.join("\n\n"), messages })
        }
    };
    // Text and numbers always have a JSON form.
    body.unwrap_or_default()
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

/// Tokens, by the names of both dialects. What is no number counts as none.
#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default, alias = "prompt_tokens")]
    input_tokens: serde_json::Value,
    #[serde(default, alias = "completion_tokens")]
    output_tokens: serde_json::Value,
}

/// Reads an answer.
pub(super) fn reply(dialect: Dialect, bytes: &[u8]) -> Result<Reply, Error> {
    let (text, stopped, usage) = match dialect {
        Dialect::OpenAi => {
            let answer: Completion =
                serde_json::from_slice(bytes).map_err(|_| Error::Malformed("it is no chat completion"))?;
            let choice =
                answer.choices.into_iter().next().ok_or(Error::Malformed("there is no choice in it"))?;
            (choice.message.content.unwrap_or_default(), choice.finish_reason, answer.usage)
        }
        Dialect::Anthropic => {
            let answer: Answered =
                serde_json::from_slice(bytes).map_err(|_| Error::Malformed("it is no message"))?;
            let texts = answer.content.into_iter().filter(|b| b.kind == "text");
            (texts.filter_map(|b| b.text).collect(), answer.stop_reason, answer.usage)
        }
    };
    if text.trim().is_empty() {
        return Err(Error::Malformed("there is no text in it"));
    }
    if matches!(stopped.as_deref(), Some("length" | "max_tokens")) {
        return Err(Error::Malformed("it was cut off for its length"));
    }
    let usage = usage.unwrap_or_default();
    let tokens = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    Ok(Reply { text, read: tokens(&usage.input_tokens), written: tokens(&usage.output_tokens) })
}

/// The code in the body of a refusal, where it has the form of one: such bodies may show parts of a key.
pub(super) fn reason(bytes: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let error = body.get("error")?;
    let code = |name: &str| {
        let text = error.get(name)?.as_str()?;
        let plain =
            (1..=48).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        plain.then(|| text.to_owned())
    };
    code("code").or_else(|| code("type"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(dialect: Dialect, body: &Value) -> Result<Reply, Error> {
        reply(dialect, body.to_string().as_bytes())
    }

    #[test]
    fn rules_stand_where_each_dialect_has_them() {
        let said = [
            Message::new(Role::System, "rules"),
            Message::new(Role::User, "question"),
            Message::new(Role::Assistant, "answer"),
        ];
        let body = |dialect| serde_json::from_slice::<Value>(&request(dialect, "m", &said)).unwrap();
        let (user, assistant) = (
            json!({"role": "user", "content": "question"}),
            json!({"role": "assistant", "content": "answer"}),
        );
        assert_eq!(
            body(Dialect::OpenAi),
            json!({"model": "m", "stream": false,
                "messages": [{"role": "system", "content": "rules"}, user, assistant]})
        );
        assert_eq!(
            body(Dialect::Anthropic),
            json!({"model": "m", "max_tokens": 4096, "system": "rules", "messages": [user, assistant]})
        );
    }

    #[test]
    fn answers_are_read_with_their_tokens() {
        let answer = json!({"choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
        let wanted = Reply { text: "hi".to_owned(), read: 3, written: 2 };
        assert_eq!(read(Dialect::OpenAi, &answer), Ok(wanted.clone()));
        let answer = json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}});
        assert_eq!(read(Dialect::Anthropic, &answer), Ok(wanted));
        let bare = json!({"choices": [{"message": {"content": "hi"}}], "usage": null});
        assert_eq!(read(Dialect::OpenAi, &bare).unwrap().read, 0);
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for body in [
            json!({}),
            json!([]),
            json!({"choices": []}),
            json!({"choices": [{"message": {"content": null}}]}),
            json!({"choices": [{"message": {"content": " \n"}}]}),
            json!({"choices": [{"message": {"content": "SELECT"}, "finish_reason": "length"}]}),
        ] {
            assert!(matches!(read(Dialect::OpenAi, &body), Err(Error::Malformed(_))), "{body}");
        }
        for body in [
            json!({"content": []}),
            json!({"content": "hi"}),
            json!({"content": [{"type": "text", "text": "SELECT"}], "stop_reason": "max_tokens"}),
        ] {
            assert!(matches!(read(Dialect::Anthropic, &body), Err(Error::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn only_codes_are_told_of_a_refusal() {
        let told = |body: Value| reason(body.to_string().as_bytes());
        let refusal = json!({"error": {"message": "Incorrect key sk-abc", "type": "invalid_request_error",
            "code": "invalid_api_key"}});
        assert_eq!(told(refusal).as_deref(), Some("invalid_api_key"));
        assert_eq!(told(json!({"error": {"type": "not_found_error"}})).as_deref(), Some("not_found_error"));
        assert_eq!(told(json!({"error": {"code": "sk-abc1234", "type": "Incorrect key"}})), None);
        assert_eq!(told(json!({"error": "sk-abc"})), None);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
                prop_assert!(reply(dialect, &bytes).is_err());
            }
            let _ = reason(&bytes);
        }

        #[test]
        fn any_text_comes_back_as_it_was_said(text in "\\PC*[a-z]\\PC*") {
            let answer = json!({"choices": [{"message": {"content": text}}]});
            prop_assert_eq!(read(Dialect::OpenAi, &answer).unwrap().text, text);
        }
    }
}
