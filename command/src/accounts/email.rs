//! E-mail addresses.

use weir_infra::http::Problem;

/// The longest address, in bytes (RFC 5321).
const MAX: usize = 254;
/// The longest part before the `@`, in bytes.
const LOCAL_MAX: usize = 64;

/// An e-mail address as it was typed, white space around it cut off. Whether someone reads it is
/// not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    text: String,
    key: String,
}

impl Email {
    /// Checks an address.
    ///
    /// # Errors
    /// When it does not have the form of one.
    pub fn parse(raw: &str) -> Result<Self, Problem> {
        let text = raw.trim();
        let fits = text.len() <= MAX
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
            && text.rsplit_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && local.len() <= LOCAL_MAX && !local.contains('@') && is_domain(domain)
            });
        if fits {
            Ok(Self { text: text.to_owned(), key: text.to_lowercase() })
        } else {
            Err(Problem::invalid("email", "not_an_email", "This is not an e-mail address."))
        }
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which addresses are compared.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.text.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

fn is_domain(domain: &str) -> bool {
    !domain.is_empty()
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_case() {
        let email = Email::parse(" Ada.Lovelace@Example.ORG ").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace@Example.ORG");
        assert_eq!(email.key(), "ada.lovelace@example.org");
        assert_eq!(email.local(), "Ada.Lovelace");
        assert!(Email::parse("o'neil+weir@localhost").is_ok());
        assert!(Email::parse("jörg@münchen.example").is_ok());
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "a@b@c",
            "a@-x.org",
            "a@x..org",
            "a\n@x.org",
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }
}
