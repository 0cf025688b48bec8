//! Decisions about topics: create, delete, and how a topic reads to people.

mod alter_configs;
mod assignment;
mod configs;
mod create;
mod delete;
mod directory_room;
mod placement;
mod random;
mod status;

pub use alter_configs::alter_topic_configs;
pub use create::create_topic;
pub use delete::delete_topic;
pub use status::{topic_status, topic_status_with};
