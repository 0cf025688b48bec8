//! Decisions about topics: create, delete, and how a topic reads to people.

mod assignment;
mod configs;
mod create;
mod delete;
mod directory_room;
mod placement;
mod random;
mod status;

pub use create::create_topic;
pub use delete::delete_topic;
pub use status::topic_status;
