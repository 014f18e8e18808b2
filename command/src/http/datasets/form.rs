//! What comes with a file: as fields of a multipart form, or as parameters beside a raw body.

use std::collections::BTreeMap;

use actix_multipart::{Field, Multipart};
use actix_web::{HttpMessage, HttpRequest, http::header, web::Payload};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_events::{DatasetId, dataset::ReadOptions};
use weir_infra::http::{Code, Problem, multipart_problem, payload_problem};

use crate::{
    app::{
        App,
        uploads::{Arrived, too_large},
    },
    domain::{Ctx, validate},
};

/// The longest text field, in bytes.
const TEXT: usize = 64 << 10;
/// The most texts that mean 'missing'.
const MARKERS: usize = 100;
/// The longest of them, in bytes.
const MARKER_BYTES: usize = 100;

/// A file that arrived, and what was said about it.
pub(super) struct Form {
    pub(super) arrived: Arrived,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) labels: Labels,
}

/// What was said about a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labels {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    /// JSON in a text.
    #[serde(default)]
    pub(super) options: Option<String>,
    #[serde(default)]
    pub(super) file_name: Option<String>,
}

/// How to read the file; what is left out is found out from its content.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UploadOptions {
    /// The field separator, one ASCII character.
    #[schema(value_type = Option<String>, example = ";")]
    delimiter: Option<char>,
    /// Whether the first row names the columns.
    header: Option<bool>,
    /// The texts that mean 'missing'; empty, NA, N/A and NULL by default. At most 100, of 100 bytes.
    missing: Option<Vec<String>>,
    /// The texts that mean 'missing' in text columns too. At most 100, of 100 bytes.
    missing_in_text: Option<Vec<String>>,
    /// The character encoding by its WHATWG label.
    #[schema(example = "windows-1252")]
    encoding: Option<String>,
    /// Whether short rows are filled up and surplus fields dropped.
    allow_ragged: bool,
    /// The sheet of a workbook, by name or by number, the first being 1. The first with anything on it by
    /// default.
    sheet: Option<String>,
    /// Where the rows are in a JSON object: the keys that lead to an array, with dots between them.
    #[schema(example = "data.items")]
    records: Option<String>,
    /// The type that a column shall have, by its name.
    types: BTreeMap<String, ColumnType>,
    /// Whether values that do not fit their column in `types` become missing; otherwise the file is rejected.
    allow_unfit: bool,
}

/// A type that can be asked for.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ColumnType {
    Int,
    Float,
    Bool,
    Date,
    Timestamp,
    Timestamptz,
    Text,
}

impl ColumnType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Text => "text",
        }
    }
}

/// Reads options out of their JSON text.
pub(super) fn options(text: Option<&str>) -> Result<ReadOptions, Problem> {
    let Some(text) = text.filter(|t| !t.trim().is_empty()) else { return Ok(ReadOptions::default()) };
    let options: UploadOptions = serde_json::from_str(text).map_err(|e| {
        Problem::invalid("options", "invalid", format!("The options are not the expected JSON: {e}."))
    })?;
    options.try_into()
}

/// Options that came as a part of JSON.
pub(super) fn read_options(options: UploadOptions) -> Result<ReadOptions, Problem> {
    options.try_into()
}

impl TryFrom<UploadOptions> for ReadOptions {
    type Error = Problem;

    fn try_from(o: UploadOptions) -> Result<Self, Problem> {
        if o.delimiter.is_some_and(|d| !d.is_ascii()) {
            return Err(Problem::invalid("options", "invalid", "The delimiter is one ASCII character."));
        }
        markers("missing", o.missing.as_deref())?;
        markers("missing_in_text", o.missing_in_text.as_deref())?;
        Ok(Self {
            delimiter: o.delimiter,
            header: o.header,
            missing: o.missing,
            missing_in_text: o.missing_in_text,
            encoding: o.encoding,
            allow_ragged: o.allow_ragged,
            sheet: o.sheet,
            records: o.records,
            types: o.types.into_iter().map(|(column, wanted)| (column, wanted.name().to_owned())).collect(),
            allow_unfit: o.allow_unfit,
        })
    }
}

/// Every cell of a file is compared with these.
fn markers(field: &'static str, markers: Option<&[String]>) -> Result<(), Problem> {
    let markers = markers.unwrap_or_default();
    if markers.len() > MARKERS {
        let detail = format!("There are {} texts in {field}; at most {MARKERS} are possible.", markers.len());
        return Err(Problem::invalid("options", "too_many", detail));
    }
    if let Some(long) = markers.iter().map(String::len).find(|bytes| *bytes > MARKER_BYTES) {
        let detail = format!("A text in {field} has {long} bytes; at most {MARKER_BYTES} are possible.");
        return Err(Problem::invalid("options", "too_long", detail));
    }
    Ok(())
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A dataset of its own.
    Dataset,
    /// The next version of one that has a name and a description.
    Version,
}

/// Whether the file comes as a field of a form.
pub(super) fn is_form(req: &HttpRequest) -> bool {
    req.content_type().eq_ignore_ascii_case("multipart/form-data")
}

/// Refuses what is known to be in vain before gigabytes have arrived.
pub(super) fn check(
    app: &App,
    cx: &Ctx,
    id: DatasetId,
    purpose: Purpose,
    labels: &Labels,
) -> Result<(), Problem> {
    if purpose == Purpose::Version {
        let labelled = [("name", labels.name.is_some()), ("description", labels.description.is_some())];
        if let Some((field, _)) = labelled.into_iter().find(|(_, given)| *given) {
            let detail = "A version has no name or description of its own; PATCH the dataset for that.";
            return Err(Problem::invalid(field, "not_possible", detail));
        }
    }
    if let Some(name) = &labels.name {
        let name = validate::table_name("name", name)?;
        let holder = app.directory().name_holder(cx.workspace, weir_events::name::Kind::Dataset, &name);
        if holder.is_some_and(|holder| holder != id.0) {
            let detail = format!(
                "The name {name:?} is taken by another one. Choose another name, or send the file to \
                 /api/v1/datasets/{{id}}/versions if it is a newer one of the same."
            );
            return Err(Problem::new(Code::NameTaken, detail.clone()).field("name", "taken", detail));
        }
    }
    if let Some(description) = &labels.description {
        validate::description(description)?;
    }
    options(labels.options.as_deref()).map(|_| ())
}

impl Form {
    /// Receives a file in whatever form it comes.
    pub(super) async fn receive(
        app: &App,
        cx: &Ctx,
        id: DatasetId,
        purpose: Purpose,
        req: &HttpRequest,
        labels: Labels,
        payload: Payload,
    ) -> Result<Self, Problem> {
        let declared = req.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let limit = app.config().upload_bytes;
        let is_form = is_form(req);
        // A form is a little longer than its file.
        let most = if is_form { limit.saturating_add(1 << 20) } else { limit };
        if declared.is_some_and(|bytes: u64| bytes > most) {
            return Err(too_large(limit));
        }
        let coding = req.headers().get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            let detail =
                "Send a packed file as it is, without Content-Encoding: its content says how it is packed.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        check(app, cx, id, purpose, &labels)?;
        if is_form {
            Self::from_form(app, cx, id, purpose, labels, Multipart::new(req.headers(), payload)).await
        } else {
            Self::from_body(app, cx, id, req, labels, payload).await
        }
    }

    async fn from_body(
        app: &App,
        cx: &Ctx,
        id: DatasetId,
        req: &HttpRequest,
        labels: Labels,
        mut payload: Payload,
    ) -> Result<Self, Problem> {
        let content_type = Some(req.content_type().to_owned()).filter(|t| !t.is_empty());
        let mut incoming = app.incoming(cx, id).await?;
        while let Some(chunk) = payload.next().await {
            incoming.write(chunk.map_err(|e| payload_problem(&e))?).await?;
        }
        let arrived = incoming.finish().await?;
        Ok(Self { arrived, file_name: labels.file_name.clone(), content_type, labels })
    }

    async fn from_form(
        app: &App,
        cx: &Ctx,
        id: DatasetId,
        purpose: Purpose,
        mut labels: Labels,
        mut form: Multipart,
    ) -> Result<Self, Problem> {
        let mut file = None;
        while let Some(field) = form.next().await {
            let mut field = field.map_err(|e| multipart_problem(&e))?;
            let name = field.name().unwrap_or_default().to_owned();
            let slot = match name.as_str() {
                "file" if file.is_some() => {
                    return Err(unexpected("file", "repeated", "There is one file per upload."));
                }
                "file" => {
                    check(app, cx, id, purpose, &labels)?;
                    file = Some(receive_file(app, cx, id, &mut field).await?);
                    continue;
                }
                "name" => &mut labels.name,
                "description" => &mut labels.description,
                "options" => &mut labels.options,
                "file_name" => &mut labels.file_name,
                other => {
                    let detail =
                        format!("A form has no field {other:?}; it has file, name, description, options.");
                    return Err(unexpected(other, "unknown", &detail));
                }
            };
            *slot = Some(text(&name, &mut field).await?);
        }
        let Some((arrived, file_name, content_type)) = file else {
            return Err(unexpected("file", "missing", "The form has no field `file` with a file in it."));
        };
        check(app, cx, id, purpose, &labels)?;
        let file_name = labels.file_name.clone().or(file_name);
        Ok(Self { arrived, file_name, content_type, labels })
    }
}

async fn receive_file(
    app: &App,
    cx: &Ctx,
    id: DatasetId,
    field: &mut Field,
) -> Result<(Arrived, Option<String>, Option<String>), Problem> {
    let file_name = field.content_disposition().and_then(|d| d.get_filename()).map(str::to_owned);
    let content_type = field.content_type().map(ToString::to_string);
    let mut incoming = app.incoming(cx, id).await?;
    while let Some(chunk) = field.next().await {
        incoming.write(chunk.map_err(|e| multipart_problem(&e))?).await?;
    }
    Ok((incoming.finish().await?, file_name.filter(|n| !n.is_empty()), content_type))
}

async fn text(name: &str, field: &mut Field) -> Result<String, Problem> {
    let bytes = match field.bytes(TEXT).await {
        Ok(bytes) => bytes.map_err(|e| multipart_problem(&e))?,
        Err(_) => {
            return Err(unexpected(name, "too_long", &format!("The field {name} has at most {TEXT} bytes.")));
        }
    };
    String::from_utf8(bytes.into())
        .map_err(|_| unexpected(name, "not_utf8", &format!("The field {name} is not UTF-8.")))
}

fn unexpected(field: &str, code: &'static str, detail: &str) -> Problem {
    Problem::new(Code::InvalidBody, detail).field(field, code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_json() {
        assert_eq!(options(None).unwrap(), ReadOptions::default());
        assert_eq!(options(Some(" ")).unwrap(), ReadOptions::default());
        let read = options(Some(r#"{"delimiter":";","header":false,"missing":["-"]}"#)).unwrap();
        assert_eq!((read.delimiter, read.header), (Some(';'), Some(false)));
        assert_eq!(read.missing, Some(vec!["-".to_owned()]));
        let typed = options(Some(r#"{"types":{"zip":"text"},"sheet":"2"}"#)).unwrap();
        assert_eq!(typed.types, [("zip".to_owned(), "text".to_owned())].into());
        for wrong in [
            "{",
            r#"{"types":{"zip":"varchar"}}"#,
            r#"{"separator":";"}"#,
            r#"{"delimiter":";;"}"#,
            r#"{"delimiter":"é"}"#,
        ] {
            assert_eq!(options(Some(wrong)).unwrap_err().code(), Code::InvalidValue, "{wrong}");
        }
    }

    #[test]
    fn markers_are_few_and_short() {
        for field in ["missing", "missing_in_text"] {
            let read = |markers: Vec<String>| options(Some(&serde_json::json!({field: markers}).to_string()));
            assert!(read(vec!["x".repeat(100); 100]).is_ok());
            for markers in [vec!["x".to_owned(); 101], vec!["x".repeat(101)]] {
                assert_eq!(read(markers).unwrap_err().code(), Code::InvalidValue, "{field}");
            }
        }
    }
}
