//! Older wire versions, brought to the current one while decoding. Stored events never change;
//! one function per step, applied until the type is a current one.

use serde_json::{Value, json};

/// One step: the payload of the old type becomes that of the new one.
struct Step {
    from: &'static str,
    to: &'static str,
    apply: fn(Value) -> Value,
}

const STEPS: &[Step] =
    &[Step { from: "weir.dataset.uploaded.v1", to: "weir.dataset.uploaded.v2", apply: dataset_uploaded_v1 }];

/// Brings an old payload to its current type; `None` when the type has no step.
pub(crate) fn to_current(event_type: &str, payload: Value) -> Option<(&'static str, Value)> {
    let step = STEPS.iter().find(|s| s.from == event_type)?;
    let payload = (step.apply)(payload);
    if STEPS.iter().any(|s| s.from == step.to) {
        to_current(step.to, payload)
    } else {
        Some((step.to, payload))
    }
}

/// Version 1 described the file flat, had no read options, and only first versions of datasets.
fn dataset_uploaded_v1(old: Value) -> Value {
    json!({
        "name": old["name"],
        "description": old["description"],
        "version": 1,
        "upload": {
            "blob": old["blob"],
            "bytes": old["size"],
            "sha256": old["sha256"],
            "content_type": old["content_type"],
        },
    })
}
