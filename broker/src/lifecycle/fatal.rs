//! [`Fatal`]: what a broker cannot get over.

use trimaran_listener::BindError;

use crate::metadata_follower::FollowerError;
use crate::replicas::OpenAllError;
use crate::session::SessionError;

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A listener cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The log directory cannot be used.
    #[error(transparent)]
    Directory(#[from] trimaran_commit_log::LogDirError),
    /// The metadata log belongs to somebody else.
    #[error(transparent)]
    Metadata(#[from] FollowerError),
    /// The controllers do not take this broker.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The logs cannot be opened.
    #[error(transparent)]
    Logs(#[from] OpenAllError),
    /// The system gives no threads, sockets or handlers.
    #[error("the system refuses what a broker needs: {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The system's word.
        #[source]
        cause: std::io::Error,
    },
    /// A part of the broker ended by itself, which none may: a bug.
    #[error("the task '{task}' ended unexpectedly")]
    TaskEnded {
        /// Which.
        task: &'static str,
    },
}
