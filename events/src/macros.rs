//! The index of an aggregate's events: one line per event, from which the enum and both
//! directions of its wire form follow, and its description.

macro_rules! events {
    ($(#[$meta:meta])* pub enum Event { $( $(#[doc = $about:literal])* $variant:ident = $wire:literal ),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $( $(#[doc = $about])* $variant($variant), )+
        }

        impl Event {
            /// The wire types of this aggregate, in their current versions.
            pub const TYPES: &'static [&'static str] = &[$($wire),+];

            /// The wire type of this event.
            pub fn event_type(&self) -> &'static str {
                match self { $( Self::$variant(_) => $wire, )+ }
            }

            /// Of each wire type what it tells, and the form of its payload.
            pub(crate) fn forms() -> Vec<(&'static str, &'static str, serde_json::Value)> {
                vec![$( ($wire, concat!($($about),*).trim_ascii(), crate::schema::of::<$variant>()) ),+]
            }

            pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self { $( Self::$variant(e) => serde_json::to_vec(e), )+ }
            }

            /// `None` when the type is not one of this aggregate's current ones.
            pub(crate) fn from_json(event_type: &str, payload: &[u8]) -> Result<Option<Self>, serde_json::Error> {
                match event_type {
                    $( $wire => serde_json::from_slice(payload).map(|e| Some(Self::$variant(e))), )+
                    _ => Ok(None),
                }
            }
        }

        $(
            impl From<$variant> for Event {
                fn from(e: $variant) -> Self { Self::$variant(e) }
            }
            impl From<$variant> for crate::Event {
                fn from(e: $variant) -> Self { Event::$variant(e).into() }
            }
        )+
    };
}
