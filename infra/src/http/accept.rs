//! Which of several forms a caller likes best (RFC 9110, section 12.5.1).

use actix_web::http::header::{self, HeaderMap};

/// The form that the `Accept` headers like best, of several with their media types; the earlier one
/// among equals. `None` when they like none of them.
pub fn accepted<T: Copy>(headers: &HeaderMap, forms: &[(T, &str)]) -> Option<T> {
    let values: Vec<_> = headers.get_all(header::ACCEPT).filter_map(|v| v.to_str().ok()).collect();
    best(&values.join(","), forms)
}

fn best<T: Copy>(accept: &str, forms: &[(T, &str)]) -> Option<T> {
    if accept.trim().is_empty() {
        return forms.first().map(|(form, _)| *form);
    }
    let mut best: Option<(f32, T)> = None;
    for (form, media_type) in forms {
        let quality = quality(accept, media_type);
        if quality > best.map_or(0.0, |(q, _)| q) {
            best = Some((quality, *form));
        }
    }
    best.map(|(_, form)| form)
}

/// How much an `Accept` header likes a media type: the word of its most specific range.
fn quality(accept: &str, media_type: &str) -> f32 {
    let group = media_type.split('/').next().unwrap_or_default();
    let mut found = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let specificity = match range {
            _ if range.eq_ignore_ascii_case(media_type) => 3,
            _ if range.strip_suffix("/*").is_some_and(|g| g.eq_ignore_ascii_case(group)) => 2,
            "*/*" | "*" => 1,
            _ => continue,
        };
        let quality = parts
            .find_map(|p| p.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")))
            .and_then(|(_, q)| q.trim().parse().ok())
            .unwrap_or(1.0);
        if specificity > found.0 {
            found = (specificity, quality);
        }
    }
    found.1
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_form_that_is_liked_best() {
        let forms = [
            ("json", "application/json"),
            ("csv", "text/csv"),
            ("parquet", "application/vnd.apache.parquet"),
            ("arrow", "application/vnd.apache.arrow.stream"),
        ];
        for (accept, form) in [
            ("", Some("json")),
            ("*/*", Some("json")),
            ("text/csv", Some("csv")),
            ("text/*", Some("csv")),
            ("Text/*", Some("csv")),
            ("text/*;q=0.5, application/json;q=0.4", Some("csv")),
            ("application/json;Q=0.5, text/csv", Some("csv")),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some("json")),
            ("text/html, application/vnd.apache.parquet;q=0.9", Some("parquet")),
            ("application/vnd.apache.arrow.stream, application/json;q=0.1", Some("arrow")),
            ("application/json;q=0, */*", Some("csv")),
            ("*/*, application/json;q=0", Some("csv")),
            ("Application/Vnd.Apache.Parquet", Some("parquet")),
            ("image/png", None),
            ("text/html", None),
            ("text/csv;q=0", None),
        ] {
            assert_eq!(best(accept, &forms), form, "{accept}");
        }
    }
}
