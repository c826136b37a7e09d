{{/*
What each app may say and hear on NATS, from the function manifest. Everybody relays the outbox, which holds jobs and
events; a worker also takes from its own consumers, and buries what fails. The gateway makes streams and consumers that are gone.
*/}}
{{- define "solopo.natsPermissions" -}}
{{- $functions := include "solopo.functions" . | fromJson -}}
{{- $outbox := list "events.runs.*" -}}
{{- range $functions.apps -}}
{{- range .functions }}{{ $outbox = append $outbox .subject }}{{ end -}}
{{- end -}}
{{- $users := dict -}}
{{- range $app, $settings := $functions.apps -}}
{{- $publish := $outbox -}}
{{- $subscribe := concat (list "_INBOX.>") $settings.questions -}}
{{- range $settings.functions -}}
{{- /* It hears that jobs are published, and asks its consumers for them. */ -}}
{{- $subscribe = append $subscribe .subject -}}
{{- $at := printf "%s.%s" $functions.stream .consumer -}}
{{- $publish = concat $publish (list
      (printf "dead.%s" .subject)
      (printf "$JS.API.CONSUMER.INFO.%s" $at)
      (printf "$JS.API.CONSUMER.MSG.NEXT.%s" $at)
      (printf "$JS.ACK.%s.>" $at)) -}}
{{- end -}}
{{- $_ := set $users $app (dict "publish" $publish "subscribe" $subscribe "respond" (not (empty $settings.questions))) -}}
{{- end -}}
{{- $gateway := concat $outbox (list
      "$JS.API.INFO"
      "$JS.API.STREAM.NAMES"
      "$JS.API.STREAM.LIST"
      "$JS.API.STREAM.INFO.*"
      "$JS.API.STREAM.CREATE.*"
      "$JS.API.STREAM.MSG.GET.*"
      "$JS.API.DIRECT.GET.>"
      "$JS.API.CONSUMER.LIST.*"
      "$JS.API.CONSUMER.INFO.*.*"
      "$JS.API.CONSUMER.CREATE.>"
      "$JS.API.CONSUMER.DURABLE.CREATE.>"
      "$JS.API.CONSUMER.DELETE.EVENTS.>"
      "$JS.API.CONSUMER.DELETE.WORK.>"
      "$JS.API.CONSUMER.MSG.NEXT.EVENTS.>") -}}
{{- range $functions.apps -}}
{{- $gateway = concat $gateway .questions -}}
{{- with .wish }}{{ $gateway = append $gateway .subject }}{{ end -}}
{{- end -}}
{{- $_ := set $users "gateway" (dict "publish" $gateway "subscribe" (list "_INBOX.>") "respond" false) -}}
{{- $_ := set $users "migrator" (dict "publish" (list "$JS.API.>") "subscribe" (list "_INBOX.>") "respond" false) -}}
{{- toYaml $users -}}
{{- end -}}

{{/* The `users` of a server's configuration; each password is a variable, password_<app>. */}}
{{- define "solopo.natsUsers" -}}
users: [
{{- range $app, $may := include "solopo.natsPermissions" . | fromYaml }}
  {
    user: {{ $app }}
    password: $password_{{ $app }}
    permissions: {
      publish: [
        {{- range $may.publish }}
        {{ toRawJson . }}
        {{- end }}
      ]
      subscribe: {{ toRawJson $may.subscribe }}
      {{- if $may.respond }}
      allow_responses: true
      {{- end }}
    }
  }
{{- end }}
]
{{- end -}}
