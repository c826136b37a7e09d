{{/* How many ranks train one run. (workload) */}}
{{- define "solopo.worldSize" -}}
{{- mul (default 1 .nodes) (default 1 .ranksPerNode) -}}
{{- end -}}

{{/* On all addresses of the leader's pod; what is sent there later goes to ports that gloo and NCCL choose. */}}
{{- define "solopo.rendezvousPort" -}}
29500
{{- end -}}

{{/* The leader's own name too: its first rank listens there, and the others of its machine meet it like everybody. */}}
{{- define "solopo.rendezvous" -}}
$(LWS_LEADER_ADDRESS):{{ include "solopo.rendezvousPort" . }}
{{- end -}}

{{/* The engine's options as the service gives them to its own process: JSON. (dict root workload) */}}
{{- define "solopo.engineOptions" -}}
{{- $config := include "solopo.overlay" (list .root.Values.config .workload.config) | fromYaml -}}
{{- $functions := include "solopo.functions" .root | fromJson -}}
{{- $device := (first $functions.apps.trainer.functions).device -}}
{{- $options := dict
      "threads" (default 1 $config.threads | int64)
      "device" (default $device $config.device)
      "ranks" (int64 .workload.ranksPerNode)
      "nodes" (int64 .workload.nodes)
      "rendezvous" (include "solopo.rendezvous" .)
      "sequenceRanks" (int64 .workload.sequenceRanks) -}}
{{- with $config.maxDeviceMemoryMb -}}
{{- $_ := set $options "maxDeviceMemoryBytes" (mul . 1000000) -}}
{{- end -}}
{{- toRawJson $options -}}
{{- end -}}

{{/* The pods of the other machines: ranks alone, without ledger, bus, artifacts or HTTP. (dict root workload) */}}
{{- define "solopo.followerTemplate" -}}
{{- $root := .root -}}
{{- $workload := .workload -}}
{{- $config := include "solopo.overlay" (list $root.Values.config $workload.config) | fromYaml -}}
metadata:
  labels:
    {{- include "solopo.labels" (list $root "ranks") | nindent 4 }}
    solopo/ranks: 'true'
    {{- with $workload.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $workload.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "solopo.serviceAccountName" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- /* It has nothing to finish: what is lost is the slice under way, in which it is one of many. */}}
  terminationGracePeriodSeconds: 10
  securityContext: {{- include "solopo.podSecurity" 1000 | nindent 4 }}
  {{- with include "solopo.placement" (dict "root" $root "workload" $workload) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $workload.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- /* No probes: it joins again by itself as often as it must, and one that ends is started again. */}}
  containers:
    - name: ranks
      image: {{ include "solopo.image" (list $root $workload.variant) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [{{ default "python3" $config.torchPython | quote }}, -m, solopo_torch.follow]
      env:
        - name: SOLOPO_ENGINE
          value: {{ include "solopo.engineOptions" . | squote }}
        - name: SOLOPO_NODE
          value: $(LWS_WORKER_INDEX)
        - name: OMP_NUM_THREADS
          value: {{ default 1 $config.threads | quote }}
        - name: PYTHONUNBUFFERED
          value: '1'
        {{- with $workload.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources: {{- include "solopo.resources" $workload | trim | nindent 8 }}
      securityContext: {{- include "solopo.containerSecurity" . | nindent 8 }}
      volumeMounts: {{- include "solopo.scratchMounts" $workload | nindent 8 }}
  volumes: {{- include "solopo.scratchVolumes" $workload | nindent 4 }}
{{- end -}}

{{/*
A trainer on several machines. (dict root app name workload replicas), as a Deployment. Its name is no other object's: the
operator makes a StatefulSet and a Service of the same name, and takes whatever Service is there for its own.
*/}}
{{- define "solopo.leaderWorkerSet" -}}
{{- $root := .root -}}
{{- $workload := .workload -}}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  name: {{ include "solopo.fullname" $root }}-ranks
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "solopo.labels" (list $root .name) | nindent 4 }}
    {{- with $workload.group.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $workload.group.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if ne (toString .replicas) "" }}
  replicas: {{ .replicas }}
  {{- end }}
  startupPolicy: LeaderCreated
  rolloutStrategy:
    type: RollingUpdate
    rollingUpdateConfiguration:
      {{- /* A surge would wait for a second set of machines. */}}
      maxSurge: 0
      maxUnavailable: 1
  networkConfig:
    subdomainPolicy: Shared
  leaderWorkerTemplate:
    size: {{ $workload.nodes }}
    {{- /* The ranks meet again by themselves: who is left need not start anew with who was lost. */}}
    restartPolicy: None
    leaderTemplate: {{- include "solopo.podTemplate" . | trimPrefix "\n" | nindent 2 }}
    workerTemplate: {{- include "solopo.followerTemplate" . | nindent 6 }}
{{- end -}}
