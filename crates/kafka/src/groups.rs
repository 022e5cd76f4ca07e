use forecall_log::LogError;
use rdkafka::consumer::Consumer as _;

use crate::connection::{ANSWER_WAIT, Connection};

/// A process that reads in a group at present, as the broker sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupMember {
    /// How its client calls itself.
    pub client_id: String,
    /// Address it is connected from. Behind an address translation two hosts look like one.
    pub host: String,
}

/// Who is in a group; nobody, where there is no such group.
pub(crate) fn members(connection: &Connection, group: &str) -> Result<Vec<GroupMember>, LogError> {
    let what = format!("the members of group `{group}` could not be asked for");
    let list = connection.ask(&what, |asker| asker.fetch_group_list(Some(group), ANSWER_WAIT))?;
    let found = list.groups().iter().filter(|g| g.name() == group);
    let mut members: Vec<GroupMember> = found
        .flat_map(|g| g.members())
        .map(|member| GroupMember {
            client_id: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        })
        .collect();
    members.sort();
    Ok(members)
}
