//! Anomalies: windows of a series judged abnormal.

use super::scalar::{InputLineage, Name, Number, Point, Range, Series, Surprise, Time};
use super::shape::{published, published_enum};

published_enum! {
    /// What kind of surprise it was.
    Channel {
        /// A value far outside the window's band.
        Spike,
        /// The level has moved or drifts.
        Shift,
        /// Unusual for this time of day or week.
        Season,
        /// The window's shape is new.
        Shape,
        /// Beyond all that was ever seen.
        Novelty,
        /// Nothing comes any more, of an entity (metric `telemetry.silence`) or of a series (its metric with `.silence` behind it); all values are seconds.
        Silence,
        /// Unlike its peers: far from its usual place among the entities of its group. Only in the evidence of incidents.
        Peer,
        /// On its way to a declared limit, whose values may be usual still.
        Limit,
    }
}

published_enum! {
    /// Which way the value went.
    Direction {
        /// Above the band.
        Up,
        /// Below the band.
        Down,
    }
}

published_enum! {
    /// Where an anomaly stands in its life.
    AnomalyState {
        /// First told.
        Opened,
        /// Still abnormal, with news.
        Updated,
        /// Normal again.
        Closed,
    }
}

published_enum! {
    /// What was announced.
    ContextKind {
        /// Another version is rolled out.
        Deployment,
        /// Settings change, the version doesn't.
        ConfigChange,
        /// More is asked of it on purpose.
        LoadTest,
        /// It is worked on, and may be away.
        Maintenance,
    }
}

published! {
    /// Something that people announced of a series.
    Context of ContextNote {
        /// What was announced.
        kind: ContextKind = kind,
        /// Its reference, as it was announced.
        id: String = id,
        /// A line for people, values in it masked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String> = title,
        /// From then on.
        from: Time = from,
        /// Until just before then.
        until: Time = until,
    }
}

published! {
    /// Where a series is expected to be at a time to come.
    Ahead of Ahead {
        /// When.
        at: Time = at,
        /// As likely to be above as below.
        expected: Number = expected,
        /// One of ten values lies below.
        lower: Number = lower,
        /// One of ten values lies above.
        upper: Number = upper,
    }
}

published! {
    /// A label of a series, and how many of its siblings have the same value.
    #[derive(Eq)]
    SharedLabel of SharedLabel {
        /// Its name.
        label: String = label,
        /// Its value.
        value: String = value,
        /// Live siblings that have the same value, the series itself among them.
        series: u32 = series,
        /// Different values that the label has among them.
        values: u32 = values,
    }
}

published! {
    /// The series of the same metric, service and region that lived when an anomaly opened.
    #[derive(Eq)]
    Siblings of Siblings {
        /// The partition whose series were counted: counts of several partitions add up.
        partition: i32 = partition,
        /// All of them, the series itself among them.
        series: u32 = series,
        /// By label, at most 16; without those that name service and region.
        #[serde(default)]
        shared: Vec<SharedLabel> = shared,
    }
}

published! {
    /// What a series lies around while all is well, whatever kind of surprise it is.
    Usual of Usual {
        /// The mean of its last values, wild ones cut.
        mean: Number = mean,
        /// Their standard deviation.
        sd: Number = sd,
    }
}

published! {
    /// Requests of what a series is of, as they are counted beside it.
    Traffic of Traffic {
        /// Requests a second, as is usual.
        usual: Number = usual,
        /// Requests a second, the mean since the anomaly began.
        now: Number = now,
    }
}

published! {
    /// A window of a series judged abnormal, as one revision of its life.
    Anomaly of Anomaly {
        /// Id: the same for all revisions, and in every run.
        id: Name = id,
        /// 1 when opened, then one more each time.
        revision: u32 = revision,
        /// Opened, updated or closed.
        state: AnomalyState = state,
        /// Domain of the source.
        domain: Name = domain,
        /// The series.
        series: Series = series,
        /// What kind of surprise.
        channel: Channel = channel,
        /// Which way.
        direction: Direction = direction,
        /// Event time of the first abnormal sample.
        from: Time = from,
        /// Event time of the sample that made this revision.
        at: Time = at,
        /// Highest score so far: −log10 of the chance of this or worse in normal times (3 = one in a thousand), 0 to 20.
        score: Surprise = score,
        /// The value that made this revision.
        observed: Number = observed,
        /// What would have been normal.
        expected: Number = expected,
        /// Normal range.
        band: Range = band,
        /// Abnormal samples so far; 0 where it is the samples that are missing.
        samples: u32 = samples,
        /// Slope of the window in units per second.
        slope_per_second: Number = slope,
        /// The last window, down-sampled to at most 32 points.
        #[serde(default)]
        window: Vec<Point> = window,
        /// Where the series goes from here: now, and in 5, 15, 30 and 60 minutes. Empty when closed, and of silences.
        #[serde(default)]
        ahead: Vec<Ahead> = ahead,
        /// The input records of the abnormal samples.
        #[serde(default)]
        lineage: InputLineage = lineage,
        /// What was announced of the series for any time since it began, at most 8; left out where nothing was.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        context: Vec<Context> = context,
        /// How many series there are beside it and share its labels, told when it opens; absent later, and of silences.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        siblings: Option<Siblings> = siblings,
        /// What it lay around before, told when it opens; absent later, and of silences.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usual: Option<Usual> = usual,
        /// Requests counted beside it; absent when closed, of silences, and where nothing counts them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traffic: Option<Traffic> = traffic,
    }
}
