//! Grafana's dashboard model, as far as we write it: what every panel of ours has is put in here, once.

use serde_json::{Value, json};

/// Version of the model: Grafana 10.4 and later read it as it is, and move it on themselves.
const SCHEMA_VERSION: u32 = 39;
/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;
/// Put in for `@` in queries: a process is chosen above.
const WHERE: &str = r#"job=~"$job",instance=~"$instance""#;
/// The base of the links to runbooks; a variable of each dashboard, for those who keep them elsewhere.
pub(super) const RUNBOOKS: &str = "https://github.com/forecall/forecall/blob/main/docs/runbooks";

/// One dashboard: one question.
pub(super) struct Dashboard {
    /// Part of its address and of its file's name.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) question: &'static str,
    /// Variables beside data source, job and instance: label of the metric named.
    pub(super) chosen: Vec<Chosen>,
    pub(super) rows: Vec<Row>,
}

/// A variable with the values of one label.
pub(super) struct Chosen {
    pub(super) label: &'static str,
    pub(super) title: &'static str,
    pub(super) metric: &'static str,
}

/// Panels under one heading, of one height.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) height: u32,
    pub(super) panels: Vec<Panel>,
}

/// What a panel looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines over time.
    Lines,
    /// Areas on each other, over time.
    Stack,
    /// One number each.
    Number,
    /// Bars of one moment.
    Bars,
    /// On and off over time.
    States,
}

/// When a number turns yellow or red.
#[derive(Clone, Copy)]
pub(super) enum Alarm {
    Never,
    /// Red from here on.
    From(f64),
    /// Yellow, then red.
    Grows(f64, f64),
}

pub(super) struct Panel {
    title: &'static str,
    says: &'static str,
    shape: Shape,
    unit: &'static str,
    width: u32,
    alarm: Alarm,
    most: Option<f64>,
    /// Its axis begins where its values do, not at 0.
    anywhere: bool,
    runbook: Option<&'static str>,
    /// Query and the legend of its series.
    queries: Vec<(String, &'static str)>,
}

impl Panel {
    pub(super) fn new(shape: Shape, title: &'static str, unit: &'static str, says: &'static str) -> Self {
        Self {
            title,
            says,
            shape,
            unit,
            width: 8,
            alarm: Alarm::Never,
            most: None,
            anywhere: false,
            runbook: None,
            queries: Vec::new(),
        }
    }

    /// Adds a query, with `@` for the processes chosen, and the legend of its series.
    pub(super) fn query(mut self, query: &str, legend: &'static str) -> Self {
        self.queries.push((query.replace('@', WHERE), legend));
        self
    }

    pub(super) fn width(mut self, columns: u32) -> Self {
        self.width = columns;
        self
    }

    pub(super) fn alarm(mut self, alarm: Alarm) -> Self {
        self.alarm = alarm;
        self
    }

    /// The top of its axis.
    pub(super) fn most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    /// Values may be of any size and below zero.
    pub(super) fn anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }

    /// The page to open when it is red.
    pub(super) fn runbook(mut self, page: &'static str) -> Self {
        self.runbook = Some(page);
        self
    }

    fn json(&self, id: u32, x: u32, y: u32, height: u32) -> Value {
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..='Z')
            .map(|((query, legend), letter)| {
                let now = matches!(self.shape, Shape::Number | Shape::Bars);
                json!({
                    "datasource": datasource(), "editorMode": "code", "expr": query, "legendFormat": legend,
                    "instant": now, "range": !now, "refId": letter.to_string(),
                })
            })
            .collect();
        let links: Vec<Value> = self
            .runbook
            .iter()
            .map(|page| {
                json!({
                    "title": "Runbook", "url": format!("${{runbooks}}/{page}.md"), "targetBlank": true,
                })
            })
            .collect();
        json!({
            "id": id,
            "type": self.kind(),
            "title": self.title,
            "description": self.says,
            "datasource": datasource(),
            "gridPos": {"h": height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self.field(), "overrides": []},
            "options": self.options(),
            "targets": targets,
            "links": links,
        })
    }

    fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Lines | Shape::Stack => "timeseries",
            Shape::Number => "stat",
            Shape::Bars => "bargauge",
            Shape::States => "state-timeline",
        }
    }

    fn field(&self) -> Value {
        let color = match (self.shape, self.alarm) {
            (Shape::Number | Shape::States, Alarm::Never) => json!({"mode": "fixed", "fixedColor": "blue"}),
            (Shape::Number | Shape::States, _) => json!({"mode": "thresholds"}),
            (Shape::Lines | Shape::Stack | Shape::Bars, _) => json!({"mode": "palette-classic"}),
        };
        let mut field = json!({
            "unit": self.unit, "noValue": "none", "color": color, "thresholds": self.thresholds(), "custom": self.custom(),
        });
        if let Some(field) = field.as_object_mut() {
            if !self.anywhere {
                field.insert("min".to_owned(), json!(0));
            }
            if let Some(most) = self.most {
                field.insert("max".to_owned(), json!(most));
            }
        }
        field
    }

    fn thresholds(&self) -> Value {
        let mut steps = vec![json!({"color": "green", "value": null})];
        match self.alarm {
            Alarm::Never => {}
            Alarm::From(red) => steps.push(json!({"color": "red", "value": red})),
            Alarm::Grows(yellow, red) => {
                steps.push(json!({"color": "yellow", "value": yellow}));
                steps.push(json!({"color": "red", "value": red}));
            }
        }
        json!({"mode": "absolute", "steps": steps})
    }

    fn custom(&self) -> Value {
        let alarm = match self.alarm {
            Alarm::Never => "off",
            Alarm::From(_) | Alarm::Grows(..) => "dashed",
        };
        match self.shape {
            Shape::Lines => json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never",
                "thresholdsStyle": {"mode": alarm},
            }),
            Shape::Stack => json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 40, "showPoints": "never",
                "stacking": {"mode": "normal", "group": "A"}, "thresholdsStyle": {"mode": alarm},
            }),
            Shape::States => json!({"fillOpacity": 70, "lineWidth": 0}),
            Shape::Number | Shape::Bars => json!({}),
        }
    }

    fn options(&self) -> Value {
        let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self.shape {
            Shape::Lines | Shape::Stack => json!({
                "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Shape::Number => json!({
                "reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "auto", "justifyMode": "auto",
                "orientation": "auto",
            }),
            Shape::Bars => json!({
                "reduceOptions": last, "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": true,
            }),
            Shape::States => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false}, "mergeValues": true,
                "showValue": "never", "rowHeight": 0.8, "tooltip": {"mode": "single", "sort": "none"},
            }),
        }
    }
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Dashboard {
    /// Its identity in Grafana.
    pub(super) fn uid(&self) -> String {
        format!("forecall-{}", self.name)
    }

    /// The file's whole text; `all` are those it links to.
    pub(super) fn text(&self, all: &[Self]) -> String {
        let value = json!({
            "uid": self.uid(),
            "title": format!("forecall / {}", self.title),
            "description": self.question,
            "tags": ["forecall"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "annotations": {"list": [incidents(), starts()]},
            "links": self.links(all),
            "templating": {"list": self.variables()},
            "panels": self.panels(),
        });
        // A value of plain maps, texts and finite numbers is always written.
        format!("{value:#}\n")
    }

    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut id, mut y) = (Vec::new(), 0, 0);
        for row in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            }));
            y += 1;
            let mut x = 0;
            for panel in &row.panels {
                if x + panel.width > COLUMNS {
                    (x, y) = (0, y + row.height);
                }
                id += 1;
                panels.push(panel.json(id, x, y, row.height));
                x += panel.width;
            }
            y += row.height;
        }
        panels
    }

    fn links(&self, all: &[Self]) -> Vec<Value> {
        let others = all.iter().filter(|other| other.name != self.name);
        others
            .map(|other| {
                json!({
                    "type": "link", "title": other.title, "tooltip": other.question, "icon": "dashboard", "tags": [],
                    "url": format!("/d/{}", other.uid()), "keepTime": true, "includeVars": true, "targetBlank": false,
                    "asDropdown": false,
                })
            })
            .collect()
    }

    fn variables(&self) -> Vec<Value> {
        let mut variables = vec![
            json!({
                "type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1,
                "hide": 0, "includeAll": false, "multi": false, "regex": "", "options": [], "current": {},
            }),
            variable("job", "Job", "label_values(forecall_build_info, job)"),
            variable(
                "instance",
                "Instance",
                r#"label_values(forecall_build_info{job=~"$job"}, instance)"#,
            ),
        ];
        for chosen in &self.chosen {
            let query = format!("label_values({}{{{WHERE}}}, {})", chosen.metric, chosen.label);
            variables.push(variable(chosen.label, chosen.title, &query));
        }
        if self.name == "series" {
            // Telemetry's labels are its own: whoever looks at one series narrows by whichever it has.
            variables.push(json!({
                "type": "adhoc", "name": "filters", "label": "Filters", "datasource": datasource(), "filters": [], "hide": 0,
                "skipUrlSync": false,
            }));
        }
        variables.push(json!({
            "type": "constant", "name": "runbooks", "label": "Runbooks", "query": RUNBOOKS, "hide": 2,
            "skipUrlSync": false, "current": {"text": RUNBOOKS, "value": RUNBOOKS}, "options": [],
        }));
        variables
    }
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "type": "query", "name": name, "label": label, "datasource": datasource(),
        "definition": query, "query": {"query": query, "refId": "variable"},
        "refresh": 2, "hide": 0, "includeAll": true, "allValue": ".+", "multi": true, "regex": "", "sort": 1,
        "options": [], "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
    })
}

/// Marks on all panels: an incident was predicted, confirmed or announced.
fn incidents() -> Value {
    annotation(
        "Incidents",
        "orange",
        "sum by (change) (increase(forecall_incidents_total{@,change=~\"predicted|confirmed|announced\"}[2m])) > 0",
        "{{change}}",
    )
}

/// Marks on all panels: a version was seen that wasn't there ten minutes before.
fn starts() -> Value {
    annotation(
        "Versions",
        "blue",
        "sum by (version) (forecall_build_info{@}) unless sum by (version) (forecall_build_info{@} offset 10m)",
        "forecall {{version}}",
    )
}

fn annotation(name: &str, color: &str, query: &str, title: &str) -> Value {
    json!({
        "name": name, "enable": true, "hide": false, "iconColor": color, "datasource": datasource(),
        "expr": query.replace('@', WHERE), "step": "60s", "titleFormat": title, "textFormat": "", "useValueForTime": false,
    })
}
