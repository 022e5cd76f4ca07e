//! Whether resources that name each other mean each other: what no schema sees, and a cluster only shows by pods that never are.

use serde_json::Value;

use super::yaml::{of_kind, text};

/// The label in which Kubernetes names a pod's ordinal, as the downward API is asked for it.
const ORDINAL: &str = "metadata.labels['apps.kubernetes.io/pod-index']";

/// All that doesn't fit. `served` are the paths that the program answers at.
pub(super) fn problems(resources: &[Value], served: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let pods: Vec<&Value> = of_kind(resources, "StatefulSet").collect();
    for set in &pods {
        let name = text(set, "/metadata/name");
        let mut found = Vec::new();
        pod(set, &mut found, served);
        if !picks(
            set.pointer("/spec/selector/matchLabels"),
            set.pointer("/spec/template/metadata/labels"),
        ) {
            found.push("its selector isn't that of its pods".to_owned());
        }
        let own = list(set, "/spec/volumeClaimTemplates").next().is_some();
        if own && set.pointer("/spec/replicas").and_then(Value::as_i64) != Some(1) {
            found.push("the ledger is on its volume: it must be one pod".to_owned());
        }
        for (kind, pointer) in [
            ("Service", "/spec/serviceName"),
            ("ServiceAccount", "/spec/template/spec/serviceAccountName"),
        ] {
            let wanted = text(set, pointer);
            if !of_kind(resources, kind).any(|other| text(other, "/metadata/name") == wanted) {
                found.push(format!("there is no {kind} `{wanted}`"));
            }
        }
        problems.extend(
            found
                .into_iter()
                .map(|what| format!("StatefulSet {name}: {what}")),
        );
    }
    for (kind, pointer) in [
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        for other in of_kind(resources, kind) {
            let all = pods.iter().all(|set| {
                picks(
                    other.pointer(pointer),
                    set.pointer("/spec/template/metadata/labels"),
                )
            });
            if !all {
                problems.push(format!("{kind}: it doesn't pick all pods"));
            }
        }
    }
    problems.extend(watched(resources));
    problems
}

/// Ports, probes, mounts and the slot of one pod.
fn pod(set: &Value, problems: &mut Vec<String>, served: &[String]) {
    let claims = list(set, "/spec/volumeClaimTemplates").map(|claim| text(claim, "/metadata/name"));
    let volumes: Vec<&str> = list(set, "/spec/template/spec/volumes")
        .map(|volume| text(volume, "/name"))
        .chain(claims)
        .collect();
    for container in list(set, "/spec/template/spec/containers") {
        let ports: Vec<&str> = list(container, "/ports")
            .map(|port| text(port, "/name"))
            .collect();
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            let path = text(container, &format!("/{probe}/httpGet/path"));
            if !served.iter().any(|known| known == path) {
                problems.push(format!("{probe} asks for `{path}`, which nobody serves"));
            }
            if !ports.contains(&text(container, &format!("/{probe}/httpGet/port"))) {
                problems.push(format!("{probe}: there is no such port"));
            }
        }
        for mount in list(container, "/volumeMounts") {
            let name = text(mount, "/name");
            if !volumes.contains(&name) {
                problems.push(format!("there is no volume `{name}`"));
            }
        }
        let slot = list(container, "/env")
            .filter(|variable| text(variable, "/name") == "FORECALL_SLOT")
            .any(|variable| text(variable, "/valueFrom/fieldRef/fieldPath") == ORDINAL);
        if !slot {
            problems.push("its slot isn't the pod's ordinal".to_owned());
        }
    }
}

/// Who scales and who scrapes: names, labels, ports.
fn watched(resources: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    for scaled in of_kind(resources, "ScaledObject") {
        let target = text(scaled, "/spec/scaleTargetRef/name");
        let set = of_kind(resources, "StatefulSet").find(|set| text(set, "/metadata/name") == target);
        match set {
            None => problems.push(format!("ScaledObject: there is no StatefulSet `{target}`")),
            // Whoever counts pods beside it takes back what it does; the pod with the ledger counts itself.
            Some(set) if set.pointer("/spec/replicas").is_some() => {
                problems.push(format!(
                    "ScaledObject: `{target}` says itself how many pods it has"
                ));
            }
            Some(_) => {}
        }
    }
    for budget in of_kind(resources, "PodDisruptionBudget") {
        let said =
            ["/spec/maxUnavailable", "/spec/minAvailable"].map(|pointer| budget.pointer(pointer).is_some());
        if said.iter().filter(|said| **said).count() != 1 {
            problems.push("PodDisruptionBudget: one of `maxUnavailable` and `minAvailable`".to_owned());
        }
    }
    for service in of_kind(resources, "Service") {
        let named = |port: &Value| {
            of_kind(resources, "StatefulSet")
                .flat_map(|set| list(set, "/spec/template/spec/containers"))
                .flat_map(|container| list(container, "/ports"))
                .any(|own| text(own, "/name") == text(port, "/targetPort"))
        };
        if !list(service, "/spec/ports").all(named) {
            problems.push("Service: no pod has such a port".to_owned());
        }
        for monitor in of_kind(resources, "ServiceMonitor") {
            let known = |endpoint: &Value| {
                list(service, "/spec/ports").any(|port| text(port, "/name") == text(endpoint, "/port"))
            };
            if !picks(
                monitor.pointer("/spec/selector/matchLabels"),
                service.pointer("/metadata/labels"),
            ) || !list(monitor, "/spec/endpoints").all(known)
            {
                problems.push("ServiceMonitor: it finds no service, or no port of it".to_owned());
            }
        }
    }
    problems
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether a selector says something, and these labels have all of it.
fn picks(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector.and_then(Value::as_object) else {
        return false;
    };
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// The paths in the program's router.
pub(super) fn served(router: &str) -> Vec<String> {
    router
        .split(".route(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::yaml::documents;
    use super::*;

    const GOOD: &str = "
kind: StatefulSet
metadata: {name: f}
spec:
  replicas: 1
  serviceName: f
  selector: {matchLabels: {app: f}}
  template:
    metadata: {labels: {app: f, more: x}}
    spec:
      serviceAccountName: f
      containers:
        - ports: [{name: metrics}]
          livenessProbe: {httpGet: {path: /live, port: metrics}}
          readinessProbe: {httpGet: {path: /ready, port: metrics}}
          startupProbe: {httpGet: {path: /live, port: metrics}}
          volumeMounts: [{name: state}, {name: config}]
          env: [{name: FORECALL_SLOT, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['apps.kubernetes.io/pod-index']\"}}}]
      volumes: [{name: config}]
  volumeClaimTemplates: [{metadata: {name: state}}]
---
kind: StatefulSet
metadata: {name: f-detect}
spec:
  serviceName: f
  selector: {matchLabels: {app: f}}
  template: {metadata: {labels: {app: f}}, spec: {serviceAccountName: f}}
---
kind: Service
metadata: {name: f, labels: {app: f}}
spec: {selector: {app: f}, ports: [{name: metrics, targetPort: metrics}]}
---
kind: ServiceAccount
metadata: {name: f}
---
kind: PodDisruptionBudget
spec: {maxUnavailable: 1, selector: {matchLabels: {app: f}}}
---
kind: ScaledObject
spec: {scaleTargetRef: {name: f-detect}}
---
kind: ServiceMonitor
spec: {selector: {matchLabels: {app: f}}, endpoints: [{port: metrics}]}
";

    #[test]
    fn each_thread_that_is_cut_is_seen() {
        let served = served("Router::new().route(\"/live\", get(a)).route(\"/ready\", get(b))");
        let count = |text: &str| problems(&documents(text, "text").unwrap(), &served).len();
        assert_eq!(count(GOOD), 0);
        for (from, to) in [
            ("path: /ready", "path: /reddy"),
            (
                "readinessProbe: {httpGet: {path: /ready, port: metrics}}",
                "readinessProbe: {httpGet: {path: /ready, port: http}}",
            ),
            ("labels: {app: f, more: x}", "labels: {app: g}"),
            ("serviceName: f", "serviceName: g"),
            ("serviceAccountName: f", "serviceAccountName: g"),
            ("{name: state}, {name: config}", "{name: state}, {name: confi}"),
            ("pod-index", "index"),
            ("spec: {selector: {app: f}", "spec: {selector: {app: g}"),
            (
                "spec: {maxUnavailable: 1, selector: {matchLabels: {app: f}}}",
                "spec: {maxUnavailable: 1}",
            ),
            ("targetPort: metrics", "targetPort: http"),
            ("scaleTargetRef: {name: f-detect}", "scaleTargetRef: {name: g}"),
            ("scaleTargetRef: {name: f-detect}", "scaleTargetRef: {name: f}"),
            ("maxUnavailable: 1", "maxUnavailable: 1, minAvailable: 1"),
            ("replicas: 1", "replicas: 2"),
            ("endpoints: [{port: metrics}]", "endpoints: [{port: http}]"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert!(count(&GOOD.replacen(from, to, 1)) >= 1, "{from}");
        }
    }
}
