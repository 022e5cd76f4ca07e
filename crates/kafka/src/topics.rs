use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use forecall_log::{LogError, TopicSpec, TopicState};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::connection::{ASK_AGAIN, Connection};
use crate::context::Context;
use crate::error::{fatal, not_created, of_question, retriable};

/// How long the brokers may take to make a topic and to choose leaders.
const CREATE_WAIT: Duration = Duration::from_secs(30);

type Admin = AdminClient<Context>;

fn admin(connection: &Connection) -> Result<Admin, LogError> {
    let settings = &connection.settings;
    settings
        .asker()
        .create_with_context(Context::new(settings, connection.stop.clone(), None))
        .map_err(not_created)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(CREATE_WAIT))
        .operation_timeout(Some(CREATE_WAIT))
}

/// Creates the topics that don't exist; an existing one must have as many partitions as asked for.
pub(crate) fn create(connection: &Connection, specs: &[TopicSpec]) -> Result<Vec<String>, LogError> {
    let mut missing = Vec::new();
    for spec in specs {
        match connection.replicas(&spec.name)? {
            None => missing.push(spec),
            Some(partitions) => check_count(spec, partitions.len())?,
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|spec| {
            let replication = TopicReplication::Fixed(spec.replication);
            let topic = NewTopic::new(&spec.name, spec.partitions.max(1), replication);
            spec.settings
                .iter()
                .fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let admin = admin(connection)?;
    let results = block_on(admin.create_topics(&new, &options()))
        .map_err(|e| of_question("topics could not be created".to_owned(), e))?;
    let mut created = Vec::new();
    for result in results {
        match result {
            Ok(name) => created.push(name),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(fatal(format!(
                    "topic `{name}` could not be created: {}",
                    reason(code)
                )));
            }
        }
    }
    for spec in missing {
        await_topic(connection, spec)?;
    }
    Ok(created)
}

fn reason(code: Code) -> String {
    match code {
        Code::InvalidReplicationFactor => {
            "there are fewer brokers than copies asked for (`dev: true` asks for one)".to_owned()
        }
        Code::InvalidConfig => "a setting of it is not one the broker knows".to_owned(),
        other => other.to_string(),
    }
}

fn check_count(spec: &TopicSpec, count: usize) -> Result<(), LogError> {
    if usize::try_from(spec.partitions.max(1)) == Ok(count) {
        return Ok(());
    }
    Err(fatal(format!(
        "topic `{}` exists with {count} partitions, {} are asked for",
        spec.name, spec.partitions
    )))
}

/// A topic is made before every broker knows of it.
fn await_topic(connection: &Connection, spec: &TopicSpec) -> Result<(), LogError> {
    let begun = Instant::now();
    loop {
        if let Some(partitions) = connection.replicas(&spec.name)? {
            return check_count(spec, partitions.len());
        }
        if begun.elapsed() >= CREATE_WAIT {
            return Err(retriable(format!(
                "topic `{}` was created but can't be seen",
                spec.name
            )));
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// How the topics stand; those that don't exist are left out.
pub(crate) fn describe(connection: &Connection, topics: &[String]) -> Result<Vec<TopicState>, LogError> {
    let mut found = Vec::new();
    for topic in topics {
        if let Some(partitions) = connection.replicas(topic)? {
            found.push((topic, partitions));
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = found
        .iter()
        .map(|(topic, _)| ResourceSpecifier::Topic(topic))
        .collect();
    let what = || "the settings of topics could not be read".to_owned();
    let admin = admin(connection)?;
    let answers = block_on(admin.describe_configs(&asked, &options())).map_err(|e| of_question(what(), e))?;
    let mut settings = Vec::with_capacity(answers.len());
    for answer in answers {
        settings.push(answer.map_err(|code| of_question(what(), KafkaError::Global(code)))?);
    }
    let mut states = Vec::with_capacity(found.len());
    for (topic, partitions) in found {
        let answer = settings
            .iter()
            .find(|s| matches!(&s.specifier, OwnedResourceSpecifier::Topic(name) if name == topic))
            .ok_or_else(|| retriable(what()))?;
        let copies = partitions.iter().min().copied().unwrap_or(0);
        let in_force = answer
            .entries
            .iter()
            .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)));
        states.push(TopicState {
            name: topic.clone(),
            partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication: i32::try_from(copies).unwrap_or(i32::MAX),
            settings: in_force.collect(),
        });
    }
    Ok(states)
}

/// Waits for an answer of the admin client, whose own thread completes it; no runtime is needed.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}
