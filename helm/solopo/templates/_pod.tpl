{{/* A memory quantity in MiB. */}}
{{- define "solopo.mebibytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $text | float64 -}}
{{- $unit := regexReplaceAll "^[0-9]+(\\.[0-9]+)?" $text "" -}}
{{- $mebibytes := dict "Ti" 1048576.0 "Gi" 1024.0 "Mi" 1.0 "Ki" 0.0009765625 "T" 953674.316 "G" 953.674316 "M" 0.953674316 "k" 0.000953674 "" 0.00000095367 -}}
{{- if not (hasKey $mebibytes $unit) -}}
{{- fail (printf "The memory limit %q cannot be read; write it like 4Gi or 512Mi." $text) -}}
{{- end -}}
{{- mulf $number (get $mebibytes $unit) -}}
{{- end -}}

{{/* Of the pod: passes the "restricted" standard. (list user) */}}
{{- define "solopo.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "solopo.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A number of JSON is a float: 1e+11 is no integer to its reader. A list is JSON again. */}}
{{- define "solopo.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else if kindIs "slice" . }}{{ toJson . }}
{{- else }}{{ . }}{{ end -}}
{{- end -}}

{{/*
Environment of a service. (dict root app workload): `config` of all, the workload's over it, then what the chart decides.
*/}}
{{- define "solopo.env" -}}
{{- $root := .root -}}
{{- $config := include "solopo.overlay" (list $root.Values.config .workload.config) | fromYaml -}}
{{- if eq .app "migrator" -}}
{{- $config = pick $config "logLevel" -}}
{{- end -}}
{{- range $key, $value := $config }}
- name: SOLOPO_{{ snakecase $key | upper }}
  value: {{ include "solopo.scalar" $value | quote }}
{{- end }}
- name: SOLOPO_DATABASE_URL_FILE
  value: /run/secrets/solopo/database-url
{{- if eq .app "migrator" }}
{{- range $role, $key := include "solopo.databaseLogins" $root | fromYaml }}
- name: SOLOPO_{{ upper $role }}_DATABASE_URL_FILE
  value: /run/secrets/solopo/database-url-{{ $role }}
{{- end }}
{{- end }}
- name: SOLOPO_NATS_URL_FILE
  value: /run/secrets/solopo/nats-url
{{- if has .app (list "migrator" "gateway") }}
- name: SOLOPO_STREAM_REPLICAS
  value: {{ default $root.Values.nats.replicas $root.Values.nats.streamReplicas | quote }}
{{- end }}
{{- if ne .app "migrator" }}
{{- include "solopo.artifactsEnv" $root }}
- name: SOLOPO_HTTP_HOST
  value: 0.0.0.0
- name: SOLOPO_HTTP_PORT
  value: '8080'
{{- end }}
{{- with .workload.engines }}
- name: SOLOPO_ENGINES
  value: {{ join "," . | quote }}
{{- end }}
{{- if and (eq .app "trainer") (gt (include "solopo.worldSize" .workload | int) 1) }}
- name: SOLOPO_RANKS
  value: {{ .workload.ranksPerNode | quote }}
- name: SOLOPO_NODES
  value: {{ .workload.nodes | quote }}
- name: SOLOPO_SEQUENCE_RANKS
  value: {{ .workload.sequenceRanks | quote }}
{{- if gt (int .workload.nodes) 1 }}
- name: SOLOPO_RENDEZVOUS
  value: {{ include "solopo.rendezvous" . }}
{{- end }}
{{- end }}
{{- if eq .app "gateway" }}
- name: SOLOPO_POOLS
  value: {{ include "solopo.poolList" $root | squote }}
- name: SOLOPO_ADMIN_TOKEN_FILE
  value: /run/secrets/solopo/admin-token
{{- if include "solopo.signingSecret" $root }}
- name: SOLOPO_SIGNING_KEY_FILE
  value: /run/secrets/solopo/signing-key
{{- end }}
{{- if $root.Values.secrets.mlflowToken.existingSecret }}
- name: SOLOPO_MLFLOW_TOKEN_FILE
  value: /run/secrets/solopo/mlflow-token
{{- end }}
{{- end }}
- name: NODE_OPTIONS
  value: --max-old-space-size={{ include "solopo.heap" .workload }}
{{- with .workload.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which Secret has the key that exports are signed with; none where a Secret of yours has the others and none is named. */}}
{{- define "solopo.signingSecret" -}}
{{- $secrets := .Values.secrets -}}
{{- if $secrets.signingKey.existingSecret -}}
{{- $secrets.signingKey.existingSecret -}}
{{- else if not $secrets.existingSecret -}}
{{- include "solopo.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Where the artifacts are: the volume, or a bucket with a cache where the volume would be. */}}
{{- define "solopo.artifactsEnv" -}}
{{- $bucket := .Values.artifacts.bucket }}
- name: SOLOPO_ARTIFACTS
  value: {{ default "/var/lib/solopo/artifacts" $bucket.url | quote }}
{{- if $bucket.url }}
{{- with $bucket.endpoint }}
- name: SOLOPO_ARTIFACTS_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with $bucket.region }}
- name: SOLOPO_ARTIFACTS_REGION
  value: {{ . | quote }}
{{- end }}
- name: SOLOPO_ARTIFACTS_PATH_STYLE
  value: {{ $bucket.pathStyle | quote }}
{{- if $bucket.existingSecret }}
- name: SOLOPO_ARTIFACTS_ACCESS_KEY_FILE
  value: /run/secrets/solopo/artifacts-access-key
- name: SOLOPO_ARTIFACTS_SECRET_KEY_FILE
  value: /run/secrets/solopo/artifacts-secret-key
{{- end }}
- name: SOLOPO_ARTIFACTS_CACHE
  value: /var/lib/solopo/artifacts
{{- /* 10^6 bytes; a tenth of the volume is left for links and what is written. */}}
- name: SOLOPO_ARTIFACTS_CACHE_MB
  value: {{ mulf (include "solopo.mebibytes" $bucket.cacheSize) 0.9437184 | floor | int64 | quote }}
{{- end }}
{{- end -}}

{{- define "solopo.heap" -}}
{{- mulf (include "solopo.mebibytes" .resources.limits.memory) .heapFraction | floor | int64 -}}
{{- end -}}

{{/* Who has a login of its own at Postgres, with the key of its address. (root) */}}
{{- define "solopo.databaseLogins" -}}
{{- range $role, $key := .Values.secrets.keys.databaseUrls }}
{{- if $.Values.postgres.bundled }}
{{ $role }}: url-{{ $role }}
{{- else if $key }}
{{ $role }}: {{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The addresses and the tokens as files. (dict root app) */}}
{{- define "solopo.secretVolume" -}}
{{- $root := .root -}}
{{- $fullname := include "solopo.fullname" $root -}}
{{- $secrets := $root.Values.secrets -}}
{{- $own := default $fullname $secrets.existingSecret -}}
{{- $logins := include "solopo.databaseLogins" $root | fromYaml -}}
{{- $ownersKey := ternary "url" $secrets.keys.databaseUrl $root.Values.postgres.bundled -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
    - secret:
        name: {{ ternary (printf "%s-postgres" $fullname) $own $root.Values.postgres.bundled }}
        items:
          - key: {{ default $ownersKey (get $logins .app) }}
            path: database-url
          {{- if eq .app "migrator" }}
          {{- range $role, $key := $logins }}
          - key: {{ $key }}
            path: database-url-{{ $role }}
          {{- end }}
          {{- end }}
    - secret:
        name: {{ ternary (printf "%s-nats" $fullname) $own $root.Values.nats.bundled }}
        items:
          - key: {{ ternary (printf "url-%s" .app) (index $secrets.keys.natsUrl .app) $root.Values.nats.bundled }}
            path: nats-url
    {{- if eq .app "gateway" }}
    - secret:
        name: {{ $own }}
        items:
          - key: {{ $secrets.keys.adminToken }}
            path: admin-token
    {{- with include "solopo.signingSecret" $root }}
    - secret:
        name: {{ . }}
        items:
          - key: {{ $secrets.signingKey.key }}
            path: signing-key
    {{- end }}
    {{- with $secrets.mlflowToken }}
    {{- if .existingSecret }}
    - secret:
        name: {{ .existingSecret }}
        items:
          - key: {{ .key }}
            path: mlflow-token
    {{- end }}
    {{- end }}
    {{- end }}
    {{- with $root.Values.artifacts.bucket }}
    {{- if and .url .existingSecret (ne $.app "migrator") }}
    - secret:
        name: {{ .existingSecret }}
        items:
          - key: {{ .keys.accessKey }}
            path: artifacts-access-key
          - key: {{ .keys.secretKey }}
            path: artifacts-secret-key
    {{- end }}
    {{- end }}
{{- end -}}

{{/* On one node, where the volume cannot be mounted on more. */}}
{{- define "solopo.affinity" -}}
{{- $root := .root -}}
{{- if .workload.affinity -}}
affinity: {{- toYaml .workload.affinity | nindent 2 }}
{{- else if and (not $root.Values.artifacts.existingClaim) (not $root.Values.artifacts.bucket.url) (eq (join "," $root.Values.artifacts.accessModes) "ReadWriteOnce") -}}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            solopo/artifacts: {{ include "solopo.claimName" $root }}
{{- end -}}
{{- end -}}

{{/* Where pods may run and what their images are pulled with. (dict root workload) */}}
{{- define "solopo.placement" -}}
{{- $root := .root -}}
{{- $workload := .workload -}}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $workload.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $workload.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $workload.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $workload.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $workload.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Requests and limits, with the GPUs in both. (workload) */}}
{{- define "solopo.resources" -}}
{{- $gpu := default dict .gpu -}}
{{- range $part := list "requests" "limits" }}
{{ $part }}: {{- toYaml (index $.resources $part) | nindent 2 }}
  {{- if $gpu.enabled }}
  {{ $gpu.resource }}: {{ $gpu.count }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a read-only root needs besides, and NCCL between the GPUs of a machine. (workload) */}}
{{- define "solopo.scratchMounts" -}}
- { name: scratch, mountPath: /tmp }
{{- if (default dict .gpu).enabled }}
- { name: shared-memory, mountPath: /dev/shm }
{{- end }}
{{- end -}}

{{- define "solopo.scratchVolumes" -}}
- name: scratch
  emptyDir: {}
{{- if (default dict .gpu).enabled }}
- name: shared-memory
  emptyDir:
    medium: Memory
    sizeLimit: {{ .gpu.sharedMemory }}
{{- end }}
{{- end -}}

{{/* A Deployment of a service. (dict root app name workload replicas), `replicas` empty when something else scales it. */}}
{{- define "solopo.deployment" -}}
{{- $root := .root -}}
{{- $fullname := include "solopo.fullname" $root -}}
{{- $workload := .workload -}}
{{- $gpu := default dict $workload.gpu -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $fullname }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "solopo.labels" (list $root .name) | nindent 4 }}
spec:
  {{- if ne (toString .replicas) "" }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      {{- /* A surge would wait for a spare GPU that never comes; a second trainer for the lease of the first. */}}
      {{- if or $gpu.enabled (eq .app "trainer") }}
      maxSurge: 0
      maxUnavailable: 1
      {{- else }}
      maxSurge: 1
      maxUnavailable: 0
      {{- end }}
  selector:
    matchLabels: {{- include "solopo.selector" (list $root .name) | nindent 6 }}
  template: {{- include "solopo.podTemplate" . }}
{{- end -}}

{{/* The pods of a service, indented as in a Deployment. (dict root app name workload) */}}
{{- define "solopo.podTemplate" -}}
{{- $root := .root -}}
{{- $workload := .workload -}}
{{- $isLeader := and (eq .app "trainer") (gt (int $workload.nodes) 1) }}
    metadata:
      labels:
        {{- include "solopo.labels" (list $root .name) | nindent 8 }}
        solopo/app: {{ .app }}
        {{- if $isLeader }}
        solopo/ranks: 'true'
        {{- end }}
        solopo/services: 'true'
        {{- if not $root.Values.artifacts.bucket.url }}
        solopo/artifacts: {{ include "solopo.claimName" $root }}
        {{- end }}
        {{- with $workload.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/secrets: {{ toJson $root.Values.secrets | sha256sum | trunc 16 }}
        {{- with $workload.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "solopo.serviceAccountName" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $workload.terminationGracePeriodSeconds }}
      securityContext: {{- include "solopo.podSecurity" 1000 | nindent 8 }}
      {{- with include "solopo.placement" (dict "root" $root "workload" $workload) | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with include "solopo.affinity" (dict "root" $root "workload" $workload) }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .app }}
          image: {{ include "solopo.image" (list $root $workload.variant) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [node, --enable-source-maps, apps/{{ .app }}/dist/main.js]
          env:
            {{- include "solopo.env" (dict "root" $root "app" .app "workload" $workload) | trim | nindent 12 }}
          ports:
            - name: http
              containerPort: 8080
            {{- if $isLeader }}
            - name: rendezvous
              containerPort: {{ include "solopo.rendezvousPort" . }}
            {{- end }}
          {{- /* Five minutes to start: the servers may still be starting, and a model loads with the first job. */}}
          startupProbe:
            httpGet: { path: /healthz, port: http }
            periodSeconds: 2
            failureThreshold: 150
          livenessProbe:
            httpGet: { path: /healthz, port: http }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /readyz, port: http }
            periodSeconds: 5
            timeoutSeconds: 5
          resources: {{- include "solopo.resources" $workload | trim | nindent 12 }}
          securityContext: {{- include "solopo.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - { name: secrets, mountPath: /run/secrets/solopo, readOnly: true }
            - { name: artifacts, mountPath: /var/lib/solopo/artifacts }
            {{- include "solopo.scratchMounts" $workload | nindent 12 }}
      volumes:
        - {{ include "solopo.secretVolume" (dict "root" $root "app" .app) | nindent 10 | trim }}
        - name: artifacts
          {{- with $root.Values.artifacts.bucket }}
          {{- if .url }}
          emptyDir:
            sizeLimit: {{ .cacheSize }}
          {{- else }}
          persistentVolumeClaim:
            claimName: {{ include "solopo.claimName" $root }}
          {{- end }}
          {{- end }}
        {{- include "solopo.scratchVolumes" $workload | nindent 8 }}
{{- end -}}
