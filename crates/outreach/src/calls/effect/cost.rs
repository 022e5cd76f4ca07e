//! What notices cost and bring in, with the interval of what they keep away; a loss is shown as a loss.

use super::Avoided;

/// What things cost, all in one unit of money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// One message.
    pub message: f64,
    /// One minute of an agent.
    pub agent_minute: f64,
    /// Talk, hold and after-call work of one contact, in seconds.
    pub handle_seconds: f64,
}

/// What was spent on one incident.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Messages sent.
    pub messages: f64,
    /// Compensation, in money.
    pub compensation: f64,
}

/// Cost and return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Return {
    /// Money for messages.
    pub messages: f64,
    /// Compensation, in money.
    pub compensation: f64,
    /// Minutes of agents saved; negative: caused.
    pub agent_minutes: Avoided,
    /// Their money less that for messages. Compensation is owed, notice or not, and not taken off here.
    pub notices: Avoided,
    /// The same less compensation: what the incident's handling of customers cost (negative) or saved.
    pub all: Avoided,
}

impl Prices {
    /// What came of contacts kept away and money spent.
    pub fn of(self, avoided: Avoided, spent: Spent) -> Return {
        let scaled = |factor: f64, off: f64| Avoided {
            mean: avoided.mean * factor - off,
            low: avoided.low * factor - off,
            high: avoided.high * factor - off,
        };
        let minutes = self.handle_seconds / 60.0;
        let messages = spent.messages * self.message;
        Return {
            messages,
            compensation: spent.compensation,
            agent_minutes: scaled(minutes, 0.0),
            notices: scaled(minutes * self.agent_minute, messages),
            all: scaled(minutes * self.agent_minute, messages + spent.compensation),
        }
    }
}
