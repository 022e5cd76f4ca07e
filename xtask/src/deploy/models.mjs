// Holds resources against the operators' own definitions: node models.mjs resources.json
import { readFileSync } from "node:fs";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const models = { ScaledObject, ServiceMonitor };
let wrong = 0;
for (const resource of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    new models[resource.kind](resource).validate();
  } catch (error) {
    wrong += 1;
    console.log(`${resource.kind}: ${error.message}`);
  }
}
process.exit(wrong === 0 ? 0 : 1);
