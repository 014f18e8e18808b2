//! Enumerations that are words in JSON, in parameters and in the database alike.

macro_rules! words {
    ($(#[$meta:meta])* enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal ),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
        $(#[$meta])*
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $( $(#[$doc])* $variant, )+
        }

        impl $name {
            /// All of them, as in JSON.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl<'a> tokio_postgres::types::FromSql<'a> for $name {
            fn from_sql(
                _: &tokio_postgres::types::Type,
                raw: &'a [u8],
            ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
                match std::str::from_utf8(raw)? {
                    $( $word => Ok(Self::$variant), )+
                    other => Err(format!("{other:?} is no {}", stringify!($name)).into()),
                }
            }

            tokio_postgres::types::accepts!(TEXT, VARCHAR);
        }
    };
}

pub(crate) use words;
