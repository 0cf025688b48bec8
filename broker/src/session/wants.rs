//! [`SessionWants`]: what the broker wants the controllers to know.

/// The broker's own part of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionWants {
    /// It is not ready to serve: its logs are not open.
    pub fence: bool,
    /// It wants to stop once it leads nothing.
    pub shutdown: bool,
}

impl SessionWants {
    /// A broker that starts.
    pub const STARTING: Self = Self {
        fence: true,
        shutdown: false,
    };
    /// A broker that serves.
    pub const SERVING: Self = Self {
        fence: false,
        shutdown: false,
    };
    /// A broker that hands over before it stops.
    pub const STOPPING: Self = Self {
        fence: false,
        shutdown: true,
    };
}
