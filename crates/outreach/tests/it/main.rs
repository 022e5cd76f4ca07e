//! The stage as its log sees it: records in, notices and intents out, as an operator would read them.

#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "stories as they read take room")]
mod hands;
#[cfg(test)]
mod hold_out;
#[cfg(test)]
mod measured;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod ramp;
#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "stories as they read take room")]
mod replies;
#[cfg(test)]
mod steered;
#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "stories as they read take room")]
mod story;
#[cfg(test)]
mod withheld;
#[cfg(test)]
mod world;
