//! [`ControllerLink`]: the broker's own calls to the quorum, with a memory of who is active.
//!
//! Any controller answers; the active one answers soonest, so its address, which every answer
//! carries, is tried first. Users' admin requests do not go through here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use trimaran_api::client::{CallError, call_bytes, read_body};
use trimaran_api::{body, headers};

/// The controllers as a broker reaches them.
#[derive(Debug)]
pub struct ControllerLink {
    http: Client,
    bootstrap: Vec<String>,
    turn: AtomicUsize,
    active: Mutex<Option<String>>,
}

impl ControllerLink {
    /// Over these `host:port` addresses; at least one.
    #[must_use]
    pub fn new(http: Client, bootstrap: Vec<String>) -> Self {
        Self {
            http,
            bootstrap,
            turn: AtomicUsize::new(0),
            active: Mutex::new(None),
        }
    }

    /// The client, for a call that must go to one certain controller.
    #[must_use]
    pub const fn http(&self) -> &Client {
        &self.http
    }

    /// The addresses from the configuration.
    #[must_use]
    pub fn bootstrap(&self) -> &[String] {
        &self.bootstrap
    }

    /// Where the next call goes: the active controller where it is known.
    #[must_use]
    pub fn address(&self) -> String {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = active.as_ref() {
            return address.clone();
        }
        let turn = self.turn.load(Ordering::Relaxed);
        let place = turn.checked_rem(self.bootstrap.len()).unwrap_or_default();
        self.bootstrap.get(place).cloned().unwrap_or_default()
    }

    /// The next call goes elsewhere, unless it does so already.
    pub fn failed(&self, address: &str) {
        if self.address() != address {
            return;
        }
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        *active = None;
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// One call at [`ControllerLink::address`]; `request` gets the client and the base URL.
    ///
    /// # Errors
    /// As the call says; after one that another controller may answer, the next goes elsewhere.
    pub async fn call<T: DeserializeOwned>(
        &self,
        request: impl FnOnce(&Client, &str) -> RequestBuilder,
    ) -> Result<T, CallError> {
        let (address, response) = self.open(request).await?;
        self.read(response, &address).await
    }

    /// Reads the answer that `address` gave, JSON or MessagePack by its content type.
    ///
    /// # Errors
    /// When it breaks off or is something else; the next call then goes elsewhere.
    pub async fn read<T: DeserializeOwned>(
        &self,
        response: Response,
        address: &str,
    ) -> Result<T, CallError> {
        let is_msgpack = response
            .headers()
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(headers::MSGPACK.as_bytes()));
        let bytes = read_body(response, address)
            .await
            .inspect_err(|_| self.failed(address))?;
        let read = if is_msgpack {
            body::from_msgpack(&bytes).map_err(|error| format!("{error:?}"))
        } else {
            serde_json::from_slice(&bytes).map_err(|error| error.to_string())
        };
        read.map_err(|cause| {
            self.failed(address);
            CallError::Unreadable {
                address: address.to_owned(),
                cause,
            }
        })
    }

    /// One call whose answer is read by the caller; also tells where it went.
    ///
    /// # Errors
    /// As [`ControllerLink::call`].
    pub async fn open(
        &self,
        request: impl FnOnce(&Client, &str) -> RequestBuilder,
    ) -> Result<(String, Response), CallError> {
        let address = self.address();
        let request = request(&self.http, &format!("http://{address}"));
        match call_bytes(request, &address).await {
            Ok(response) => {
                self.learn(response.headers());
                Ok((address, response))
            }
            Err(error) => {
                if error.is_retriable() {
                    self.failed(&address);
                }
                Err(error)
            }
        }
    }

    /// Takes the active controller's address from an answer, where it stands.
    fn learn(&self, answer: &HeaderMap) {
        let told = answer
            .get(headers::CONTROLLER_LEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split_once('@'))
            .map(|(_, address)| address);
        if let Some(address) = told {
            let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            if active.as_deref() != Some(address) {
                *active = Some(address.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> ControllerLink {
        ControllerLink::new(Client::new(), vec!["a:1".to_owned(), "b:2".to_owned()])
    }

    #[test]
    fn the_active_controller_comes_first_until_it_fails() {
        let link = link();
        assert_eq!(link.address(), "a:1");
        let mut answer = HeaderMap::new();
        answer.insert(headers::CONTROLLER_LEADER, "3@c:3".parse().unwrap());
        link.learn(&answer);
        assert_eq!(link.address(), "c:3");
        link.failed("c:3");
        assert_eq!(link.address(), "b:2");
        link.failed("b:2");
        assert_eq!(link.address(), "a:1");
    }

    #[test]
    fn a_late_failure_of_another_address_changes_nothing() {
        let link = link();
        link.failed("b:2");
        assert_eq!(link.address(), "a:1");
        link.learn(&HeaderMap::new());
        assert_eq!(link.address(), "a:1");
    }
}
