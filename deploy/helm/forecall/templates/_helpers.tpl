{{- define "forecall.name" -}}
{{- if contains "forecall" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-forecall{{ end }}
{{- end }}

{{- define "forecall.selector" -}}
app.kubernetes.io/name: forecall
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "forecall.labels" -}}
{{ include "forecall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "forecall.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* forecall.yaml: the operator's, with what the chart itself knows: probes and Prometheus come from other addresses. */}}
{{- define "forecall.config" -}}
{{- $http := dict "http" (dict "listen" "0.0.0.0:9464" "allow_remote" true) -}}
{{- mergeOverwrite (deepCopy .Values.config) $http | toYaml }}
{{- end }}

{{/* What both kinds of pods are alike in. Takes: root, stage, resources, slot. */}}
{{- define "forecall.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "forecall.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .stage }}
    {{- with $root.Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # Another configuration is another pod.
    checksum/config: {{ include "forecall.config" $root | sha256sum }}
    {{- with $root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "forecall.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "forecall.selector" $root | nindent 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: forecall
      image: {{ include "forecall.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .stage }}, --config, /etc/forecall/forecall.yaml]
      env:
        # The ordinal of the pod, the same after each start: members of consumer groups and writers are named by it.
        - name: FORECALL_SLOT
          valueFrom:
            fieldRef:
              fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
      ports:
        - {name: metrics, containerPort: 9464}
      # 503 once a stage has failed.
      livenessProbe:
        httpGet: {path: /-/healthy, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      # 503 until every stage has its partitions and memory.
      readinessProbe:
        httpGet: {path: /-/ready, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      # A start connects to the brokers first.
      startupProbe:
        httpGet: {path: /-/healthy, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: {{ $root.Values.startupFailures }}
      {{- with .resources }}
      resources: {{ toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/forecall/forecall.yaml, subPath: forecall.yaml, readOnly: true}
        - {name: secrets, mountPath: /etc/forecall/secrets, readOnly: true}
        - {name: state, mountPath: /var/lib/forecall}
        - {name: tmp, mountPath: /tmp}
        {{- with $root.Values.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap: {name: {{ include "forecall.name" $root }}}
    - name: secrets
      # 288 is 0440: for the pod's group alone.
      secret: {secretName: {{ $root.Values.secretName }}, defaultMode: 288}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- if ne .stage "run" }}
    - name: state
      emptyDir: {}
    {{- end }}
    {{- with $root.Values.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
