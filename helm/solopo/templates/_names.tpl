{{- define "solopo.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (list root component): what selects the pods of a component. */}}
{{- define "solopo.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list root component) */}}
{{- define "solopo.labels" -}}
{{- $root := index . 0 -}}
{{ include "solopo.selector" . }}
app.kubernetes.io/part-of: solopo
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Any pod of this release. */}}
{{- define "solopo.everybody" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "solopo.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "solopo.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* (list root variant) */}}
{{- define "solopo.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $tag := printf "%s%s" (default $root.Chart.AppVersion $image.tag) (index $image.variants (index . 1)) -}}
{{- include "solopo.imageName" (dict "registry" $image.registry "repository" $image.repository "tag" $tag "digest" $image.digest) -}}
{{- end -}}

{{- define "solopo.imageName" -}}
{{- with .registry }}{{ . }}/{{ end -}}
{{- .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end -}}
{{- end -}}

{{- define "solopo.claimName" -}}
{{- default (printf "%s-artifacts" (include "solopo.fullname" .)) .Values.artifacts.existingClaim -}}
{{- end -}}

{{/* The functions of each app, as libs/functions declares them. */}}
{{- define "solopo.functions" -}}
{{- .Files.Get "files/functions.json" -}}
{{- end -}}

{{/*
(list defaults given): given over defaults, deeply. Sprig's merge functions take false, 0 and "" for absent.
*/}}
{{- define "solopo.overlay" -}}
{{- $merged := deepCopy (index . 0) -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $merged $key)) -}}
{{- $value = include "solopo.overlay" (list (get $merged $key) $value) | fromYaml -}}
{{- end -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* All pools that are on, the trainer among them: name -> settings, complete. */}}
{{- define "solopo.pools" -}}
{{- $defaults := .Files.Get "files/pool.yaml" | fromYaml -}}
{{- $pools := dict -}}
{{- range $name, $given := .Values.workers -}}
{{- $pool := include "solopo.overlay" (list $defaults (default dict $given)) | fromYaml -}}
{{- if $pool.enabled }}{{ $_ := set $pools $name $pool }}{{ end -}}
{{- end -}}
{{- $trainer := include "solopo.overlay" (list $defaults .Values.trainer) | fromYaml -}}
{{- $_ := set $trainer "app" "trainer" -}}
{{- if $trainer.enabled }}{{ $_ := set $pools "trainer" $trainer }}{{ end -}}
{{- toYaml $pools -}}
{{- end -}}

{{/* The pools as the gateway is told of them: JSON. */}}
{{- define "solopo.poolList" -}}
{{- $list := list -}}
{{- range $name, $pool := include "solopo.pools" . | fromYaml -}}
{{- $entry := dict "name" $name "app" $pool.app "engines" $pool.engines -}}
{{- if gt (include "solopo.worldSize" $pool | int) 1 -}}
{{- $entry = merge $entry (dict "ranks" $pool.ranksPerNode "nodes" $pool.nodes "sequenceRanks" $pool.sequenceRanks) -}}
{{- end -}}
{{- $list = append $list $entry -}}
{{- end -}}
{{- toRawJson $list -}}
{{- end -}}

{{/* hook, job or off. */}}
{{- define "solopo.migrationMode" -}}
{{- $mode := .Values.migrations.mode -}}
{{- $own := and (not .Values.nats.bundled) (not .Values.postgres.bundled) .Values.secrets.existingSecret -}}
{{- if eq $mode "auto" }}{{ ternary "hook" "job" (not (empty $own)) }}{{ else }}{{ $mode }}{{ end -}}
{{- end -}}
