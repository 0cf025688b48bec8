//! [`Rest`]: JSON over HTTP to whichever broker chance picks among those that answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::Value;

use super::Answer;

/// How long a question waits; a broker that hangs is found out by it.
const QUESTION_PATIENCE: Duration = Duration::from_secs(2);

/// How long a change waits, which the cluster may have to hold until it has a leader.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a broker that did not answer is left alone, as any load balancer would.
const SILENT_FOR: Duration = Duration::from_secs(3);

/// A client of the whole cluster. Cheap to clone; clones share connections, dice and what they know
/// of silent brokers.
#[derive(Debug, Clone)]
pub struct Rest {
    http: reqwest::Client,
    brokers: Arc<[String]>,
    choice: Arc<Mutex<Choice>>,
}

#[derive(Debug)]
struct Choice {
    dice: StdRng,
    silent_until: BTreeMap<String, Instant>,
}

impl Rest {
    /// Over the brokers at these `host:port` addresses. Which call goes where follows from `seed`,
    /// as long as all answer.
    ///
    /// # Errors
    /// There is no broker.
    pub fn new(http: reqwest::Client, brokers: Vec<String>, seed: u64) -> Result<Self> {
        ensure!(!brokers.is_empty(), "a client needs a broker");
        let dice = StdRng::seed_from_u64(seed);
        let choice = Choice {
            dice,
            silent_until: BTreeMap::new(),
        };
        Ok(Self {
            http,
            brokers: brokers.into(),
            choice: Arc::new(Mutex::new(choice)),
        })
    }

    /// All brokers.
    #[must_use]
    pub fn brokers(&self) -> &[String] {
        &self.brokers
    }

    /// The HTTP client.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// One of the brokers, by chance, among those that were not silent just now; any when all were.
    #[must_use]
    pub fn any_broker(&self) -> &str {
        self.by_hope()[0]
    }

    /// All brokers: first, by chance, those that were not silent just now, then the others.
    fn by_hope(&self) -> Vec<&str> {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        choice.silent_until.retain(|_, until| *until > now);
        let mut brokers: Vec<&str> = self.brokers.iter().map(String::as_str).collect();
        brokers.shuffle(&mut choice.dice);
        brokers.sort_by_key(|broker| choice.silent_until.contains_key(*broker));
        brokers
    }

    /// Leaves a broker alone for a while that gave no answer.
    pub fn was_silent(&self, broker: &str) {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        choice
            .silent_until
            .insert(broker.to_owned(), Instant::now() + SILENT_FOR);
    }

    /// A `GET` at some broker, or at another one when it does not answer.
    ///
    /// # Errors
    /// None answers in time.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        let mut last = None;
        for broker in self.by_hope() {
            match self.get_at(broker, path).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("no broker was asked for {path}")))
    }

    /// A `GET` at one broker.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn get_at(&self, broker: &str, path: &str) -> Result<Answer> {
        let request = self
            .http
            .get(format!("http://{broker}{path}"))
            .timeout(QUESTION_PATIENCE);
        let answer = self.send(request, broker).await;
        answer.with_context(|| format!("GET {path} at {broker}"))
    }

    /// A `POST` of JSON at some broker.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.change(path, |url| self.http.post(url).json(body))
            .await
    }

    /// A `DELETE` at some broker.
    ///
    /// # Errors
    /// No answer in time.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.change(path, |url| self.http.delete(url)).await
    }

    /// A request that must not be done twice: it goes to another broker only when the first one was
    /// not even reached.
    async fn change(
        &self,
        path: &str,
        request: impl Fn(String) -> reqwest::RequestBuilder,
    ) -> Result<Answer> {
        let mut last = None;
        for broker in self.by_hope() {
            let request = request(format!("http://{broker}{path}")).timeout(CHANGE_PATIENCE);
            match self.send(request, broker).await {
                Err(error) if error.is_connect() => last = Some(error),
                answer => return answer.with_context(|| format!("{path} at {broker}")),
            }
        }
        let error = last.map_or_else(|| anyhow!("no broker was asked"), Into::into);
        Err(error.context(path.to_owned()))
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        broker: &str,
    ) -> reqwest::Result<Answer> {
        let answer = match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => Err(error),
        };
        if answer.is_err() {
            self.was_silent(broker);
        }
        answer
    }
}
