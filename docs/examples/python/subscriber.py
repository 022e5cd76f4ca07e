#!/usr/bin/env python3
"""Follows forecall's incidents: what is open now, then every change, each once.

    pip install -r requirements.txt
    ./subscriber.py --brokers localhost:9092 --group my-service

At the first start it learns what is open from the compacted topic of states; later starts go on where the group stood. It
prints one line a change; put your own effect into `act`.
"""

import argparse
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

# What has been done for an incident, told by its highest revision. Keep yours where your effects are kept, so that both are
# written together.
seen = {}


def act(what, incident):
    """The effect. What it doesn't know it lets be: other states, kinds and severities may come."""
    if incident.get("simulated") or incident.get("domain") == "forecall.canary":
        return
    scope = incident.get("scope", {})
    places = ", ".join(scope.get("services", [])) + " in " + ", ".join(scope.get("regions", []))
    columns = [what, incident["id"], incident["revision"], incident["state"], f"{incident['probability']:.2f}", places]
    print(*columns, sep="\t", flush=True)


def take(what, incident):
    """Whole states: one that was missed costs nothing, one that comes again does nothing."""
    if incident["revision"] > seen.get(incident["id"], 0):
        act(what, incident)
        seen[incident["id"]] = incident["revision"]


def headers_of(record):
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers() or []}


def partitions_of(consumer, topic):
    found = consumer.list_topics(topic, timeout=10).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return [TopicPartition(topic, number) for number in sorted(found.partitions)]


def is_end(record):
    return record.error() is not None and record.error().code() == KafkaError._PARTITION_EOF


def bootstrap(consumer, topic):
    """Reads the compacted topic to its end: the newest state of each incident that is open."""
    partitions = partitions_of(consumer, topic)
    consumer.assign([TopicPartition(p.topic, p.partition, OFFSET_BEGINNING) for p in partitions])
    newest = {}
    rest = {p.partition for p in partitions}
    while rest:
        record = consumer.poll(1.0)
        if record is None:
            continue
        # The library tells the end: offsets can't, since the last one may be a mark of a transaction, which is no record.
        if is_end(record):
            rest.discard(record.partition())
        elif record.error():
            raise KafkaException(record.error())
        elif record.value() is None:
            newest.pop(record.key(), None)
        elif headers_of(record).get("ce_type") == "forecall.incident.state.v1":
            newest[record.key()] = json.loads(record.value())
    return newest.values()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--brokers", default="localhost:9092")
    options.add_argument("--group", default="forecall-subscriber")
    options.add_argument("--prefix", default="", help="topics.prefix of the installation")
    options.add_argument("--idle-exit", type=float, help="end after so many seconds without news")
    args = options.parse_args()
    events, states = args.prefix + "forecall.incidents.v1", args.prefix + "forecall.incidents.state.v1"
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": args.group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            # Records that are gone are an error, not a silent jump: bootstrap again.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
        }
    )
    # The ends of the events first, then the states: what changes meanwhile comes twice, and the revision tells.
    partitions = partitions_of(consumer, events)
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions}
    for incident in bootstrap(consumer, states):
        take("open", incident)
    start = consumer.committed(partitions, timeout=10)
    for p in start:
        if p.offset == OFFSET_INVALID:
            p.offset = ends[p.partition]
    consumer.assign(start)
    idle = 0.0
    while args.idle_exit is None or idle < args.idle_exit:
        record = consumer.poll(0.5)
        if record is None or is_end(record):
            idle += 0.5 if record is None else 0.0
            continue
        if record.error():
            raise KafkaException(record.error())
        idle = 0.0
        kind = headers_of(record).get("ce_type", "")
        if record.value() is not None and kind.startswith("forecall.incident."):
            incident = json.loads(record.value())
            take(incident["change"], incident)
        # After the effect: a crash between both repeats it, and the revision makes that harmless.
        consumer.commit(record, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    try:
        main()
    except KafkaException as error:
        sys.exit(f"subscriber: {error}")
    except KeyboardInterrupt:
        pass
