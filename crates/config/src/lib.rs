//! One YAML file → checked settings.
//!
//! [`Settings::load`] reads the file, expands `${env:…}` and `${file:…}`, and checks all that can be checked without a
//! network. An error names the file, the line and the remedy, and shows the line with a caret; a secret is never shown. The
//! crate knows the settings of every room and what none of them decides: it holds no logic.
//!
//! ```
//! let settings = forecall_config::Settings::from_yaml("example.yaml", "domain: telecom\n")?;
//! assert_eq!(settings.domain.as_str(), "telecom");
//! # Ok::<(), forecall_config::ConfigError>(())
//! ```

mod api;
mod areas;
mod bridge;
mod canary;
mod check;
mod context;
mod doc;
mod error;
mod expand;
mod gateways;
mod journeys;
mod limits;
mod lock;
mod parse_error;
mod place;
mod raw;
mod reload;
mod remedy;
mod secret;
mod settings;
mod state;

pub use api::{ApiRole, ApiScope, ApiSettings, ApiToken, FeedSettings};
pub use canary::{CANARY_METRIC, CANARY_REGION, CANARY_SLOTS, canary_service};
pub use doc::files;
pub use error::{ConfigError, Problem};
pub use lock::{Locked, leaves, locked};
pub use raw::{
    AnomalyMetricsSettings, CanarySettings, DirectorySettings, FormatSettings, GatewaySettings, HttpSettings,
    LedgerSettings, ReloadSettings, S3Settings, SourceSettings, StateSettings, StateStore, TopicSettings,
};
pub use reload::{Change, Fixed, glance};
pub use remedy::RemedyTarget;
pub use settings::Settings;
