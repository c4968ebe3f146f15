//! Budget of one operation while it runs: nodes made, bytes answered, memory taken, time.
//!
//! The static cost refuses a document by its shape. The budget stops it by what it comes to: [`Charging`] charges every
//! field that was resolved, and loaders charge what they bring. A query that spends its budget is dropped with all its
//! loads. A mutation is never dropped: what it changed stays, and the rest of its answer fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo};
use async_graphql::{QueryPathSegment, ServerError, ServerResult, Value};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::failure::Failure;
use super::request::Asked;

/// Loads of one operation that run at the same time: each may bring as much as a batch has keys.
const LOADS_AT_ONCE: usize = 4;
/// Memory that a field takes in an answer beside its text: its key, its value, its place in the map.
const FIELD_MEMORY: usize = 128;
/// Memory that an object of a list takes beside its fields: what it was read as, and the futures that resolve it.
const NODE_MEMORY: usize = 1_024;

/// The limits of an operation while it runs; each is described in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct BudgetSettings {
    pub nodes: usize,
    pub bytes: usize,
    pub memory_bytes: usize,
    pub time: Duration,
}

/// The part of the budget that was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// Objects in lists.
    Nodes,
    /// Bytes of the answer.
    Bytes,
    /// Memory, as estimated.
    Memory,
    /// Time.
    Time,
}

/// The consequence of a spent budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// The operation: it changes nothing.
    Operation,
    /// The rest of the answer fails: the operation changes something, which must not be cut off.
    Answer,
}

/// The budget of one operation.
pub(super) struct Budget {
    settings: BudgetSettings,
    ends: Ends,
    started: Instant,
    nodes: AtomicUsize,
    bytes: AtomicUsize,
    memory: AtomicUsize,
    spent: OnceLock<Spent>,
    stops: Notify,
    loads: Semaphore,
}

impl Budget {
    /// A budget of which nothing is spent yet.
    pub(super) fn new(settings: BudgetSettings, ends: Ends) -> Self {
        Self {
            settings,
            ends,
            started: Instant::now(),
            nodes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            memory: AtomicUsize::new(0),
            spent: OnceLock::new(),
            stops: Notify::new(),
            loads: Semaphore::new(LOADS_AT_ONCE),
        }
    }

    /// How long the operation may run.
    pub(super) fn time(&self) -> Duration {
        self.settings.time
    }

    /// Resolves once an operation that may be cut off has spent its budget.
    pub(super) async fn stopped(&self) -> Spent {
        if self.ends == Ends::Answer {
            return std::future::pending().await;
        }
        loop {
            if let Some(spent) = self.spent.get() {
                return *spent;
            }
            self.stops.notified().await;
        }
    }

    /// The part that was spent by an operation that may be cut off.
    pub(super) fn stopped_by(&self) -> Option<Spent> {
        self.spent.get().copied().filter(|_| self.ends == Ends::Operation)
    }

    /// The failure of a spent budget: the part, how much there was, and what to narrow.
    pub(super) fn failure(&self, spent: Spent) -> Failure {
        let BudgetSettings { nodes, bytes, memory_bytes, time } = self.settings;
        let milliseconds = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        let (budget, limit, message) = match spent {
            Spent::Nodes => (
                "nodes",
                nodes,
                format!(
                    "the answer would hold more than {nodes} objects: ask for smaller pages (first) or fewer lists \
                     within lists"
                ),
            ),
            Spent::Bytes => (
                "bytes",
                bytes,
                format!("the answer would be larger than {bytes} bytes: ask for fewer fields or smaller pages (first)"),
            ),
            Spent::Memory => (
                "memory",
                memory_bytes,
                format!(
                    "the operation would take more than {memory_bytes} bytes of memory: ask for smaller pages (first) \
                     or fewer lists within lists"
                ),
            ),
            Spent::Time => (
                "time",
                milliseconds,
                format!(
                    "the operation took longer than {milliseconds} ms and was stopped: ask for smaller pages (first), \
                     or in several requests"
                ),
            ),
        };
        Failure::new("COMPLEXITY_EXCEEDED", message).with("budget", budget).with("limit", limit)
    }

    /// Waits for its turn to load something.
    ///
    /// # Errors
    ///
    /// `COMPLEXITY_EXCEEDED` once the budget is spent.
    pub(super) async fn take_turn(&self) -> Result<Option<SemaphorePermit<'_>>, Failure> {
        // The semaphore is never closed.
        let turn = self.loads.acquire().await.ok();
        match self.spent.get() {
            Some(spent) => Err(self.failure(*spent)),
            None => Ok(turn),
        }
    }

    /// Charges what was loaded.
    ///
    /// # Errors
    ///
    /// `COMPLEXITY_EXCEEDED` once the budget is spent.
    pub(super) fn charge_loaded(&self, memory: usize) -> Result<(), Failure> {
        self.charge_memory(memory);
        self.spent.get().map_or(Ok(()), |spent| Err(self.failure(*spent)))
    }

    fn charge_node(&self) {
        self.charge(&self.nodes, 1, self.settings.nodes, Spent::Nodes);
        self.charge_memory(NODE_MEMORY);
        if self.started.elapsed() > self.settings.time {
            self.spend(Spent::Time);
        }
    }

    fn charge_field(&self, bytes: usize) {
        self.charge(&self.bytes, bytes, self.settings.bytes, Spent::Bytes);
        self.charge_memory(FIELD_MEMORY + bytes);
    }

    fn charge_memory(&self, bytes: usize) {
        self.charge(&self.memory, bytes, self.settings.memory_bytes, Spent::Memory);
    }

    fn charge(&self, counter: &AtomicUsize, by: usize, limit: usize, part: Spent) {
        if counter.fetch_add(by, Ordering::Relaxed).saturating_add(by) > limit {
            self.spend(part);
        }
    }

    fn spend(&self, part: Spent) {
        if self.spent.set(part).is_ok() {
            self.stops.notify_one();
        }
    }

    /// Nothing more is resolved once the budget is spent: a query waits here to be dropped.
    async fn check(&self) -> ServerResult<()> {
        let Some(spent) = self.spent.get() else { return Ok(()) };
        match self.ends {
            Ends::Operation => std::future::pending().await,
            Ends::Answer => Err(self.failed(*spent)),
        }
    }

    fn failed(&self, spent: Spent) -> ServerError {
        self.failure(spent).into_server_error(None, Vec::new())
    }
}

/// Charges what an operation makes to its budget.
pub(super) struct Charging;

impl ExtensionFactory for Charging {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Charging {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(asked) = ctx.data_opt::<Arc<Asked>>() else { return next.run(ctx, info).await };
        let budget = asked.budget();
        let is_item = matches!(info.path_node.segment, QueryPathSegment::Index(_));
        let is_object = !info.field.selection_set.node.items.is_empty();
        let key = info.alias.unwrap_or(info.name).len();
        if is_item && is_object {
            budget.charge_node();
        }
        // The fields of a root stand alone: what one mutation answers does not keep the next from being done.
        if info.path_node.parent.is_some() {
            budget.check().await?;
        }
        let value = next.run(ctx, info).await?;
        if !is_item {
            budget.charge_field(key + 4 + value.as_ref().map_or(4, |value| own_bytes(value, is_object)));
        }
        Ok(value)
    }
}

/// The bytes of a value in the answer, without those of the fields in it: they were charged before.
fn own_bytes(value: &Value, is_object: bool) -> usize {
    match value {
        Value::Object(_) | Value::List(_) if is_object => 2,
        whole => json_bytes(whole),
    }
}

/// The bytes of a value as JSON. Numbers are taken for long ones.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) => 5,
        Value::Number(_) => 12,
        Value::String(text) => text_bytes(text),
        Value::Enum(name) => name.len() + 2,
        Value::Binary(bytes) => 4 * bytes.len(),
        Value::List(items) => 2 + items.iter().map(|item| json_bytes(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| text_bytes(name) + 2 + json_bytes(value)).sum::<usize>()
        }
    }
}

fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    2 + text.len() + text.bytes().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn budget(ends: Ends) -> Budget {
        let settings =
            BudgetSettings { nodes: 10, bytes: 1_000, memory_bytes: 100_000, time: Duration::from_secs(3_600) };
        Budget::new(settings, ends)
    }

    fn spent_by(charge: impl Fn(&Budget)) -> Option<Spent> {
        let budget = budget(Ends::Operation);
        charge(&budget);
        budget.stopped_by()
    }

    /// S-2.
    #[tokio::test]
    async fn each_part_of_the_budget_is_spent_by_itself() {
        assert_eq!(spent_by(|budget| (0..10).for_each(|_| budget.charge_node())), None);
        assert_eq!(spent_by(|budget| (0..11).for_each(|_| budget.charge_node())), Some(Spent::Nodes));
        assert_eq!(spent_by(|budget| budget.charge_field(1_001)), Some(Spent::Bytes));
        assert_eq!(spent_by(|budget| budget.charge_memory(100_001)), Some(Spent::Memory));
        let budget = budget(Ends::Operation);
        assert!(budget.charge_loaded(1).is_ok() && budget.take_turn().await.is_ok());
        assert!(budget.charge_loaded(200_000).is_err() && budget.take_turn().await.is_err());
        assert_eq!(budget.stopped().await, Spent::Memory);
    }

    /// S-2: a mutation is not cut off, its answer is.
    #[tokio::test]
    async fn a_mutation_goes_on_and_its_answer_fails() {
        let budget = budget(Ends::Answer);
        budget.charge_field(2_000);
        assert_eq!(budget.stopped_by(), None);
        let error = budget.check().await.expect_err("the rest fails");
        assert!(error.message.contains("1000 bytes"), "{}", error.message);
    }

    #[test]
    fn bytes_are_at_least_those_of_the_json() {
        for value in [
            value!({"a": "text", "b": [1, 2.5, null, true], "c": {"d": "\"quoted\" \\ \u{1} \n é"}}),
            value!("x"),
            value!([]),
            value!(-123_456),
        ] {
            let json = value.clone().into_json().expect("JSON").to_string();
            assert!(json_bytes(&value) >= json.len(), "{json}: {}", json_bytes(&value));
        }
    }
}
