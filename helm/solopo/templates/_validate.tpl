{{/* Rules over more than one value. Each refusal says what to do. */}}
{{- define "solopo.validate" -}}
{{- $secrets := .Values.secrets -}}
{{- if and (not .Values.postgres.bundled) (not $secrets.existingSecret) (not $secrets.databaseUrl) -}}
{{- fail "postgres.bundled is false, and no address is given; name a Secret in secrets.existingSecret, or set secrets.databaseUrl." -}}
{{- end -}}
{{- if and (not .Values.nats.bundled) (not $secrets.existingSecret) (not $secrets.natsUrl) -}}
{{- fail "nats.bundled is false, and no address is given; name a Secret in secrets.existingSecret, or set secrets.natsUrl." -}}
{{- end -}}
{{- if and $secrets.existingSecret (or $secrets.databaseUrl $secrets.natsUrl $secrets.adminToken) -}}
{{- fail "secrets.existingSecret is set together with a value that it should hold; put databaseUrl, natsUrl and adminToken into that Secret, and empty them here." -}}
{{- end -}}
{{- if and (not .Values.postgres.bundled) (not $secrets.existingSecret) (include "solopo.databaseLogins" . | fromYaml) -}}
{{- fail "secrets.keys.databaseUrls names keys, and no Secret of yours has them; name it in secrets.existingSecret, or empty them." -}}
{{- end -}}
{{- if and .Values.postgres.bundled $secrets.databaseUrl -}}
{{- fail "secrets.databaseUrl is set and postgres.bundled is true; set postgres.bundled to false to use your own server." -}}
{{- end -}}
{{- if and .Values.nats.bundled $secrets.natsUrl -}}
{{- fail "secrets.natsUrl is set and nats.bundled is true; set nats.bundled to false to use your own server." -}}
{{- end -}}
{{- if and .Values.nats.bundled (gt (int .Values.nats.streamReplicas) (int .Values.nats.replicas)) -}}
{{- fail "nats.streamReplicas is more than nats.replicas; a stream has at most one copy a server." -}}
{{- end -}}
{{- if and (eq .Values.migrations.mode "hook") (or .Values.nats.bundled .Values.postgres.bundled (not $secrets.existingSecret)) -}}
{{- fail "migrations.mode is hook, which runs before anything of this chart exists; bring your own NATS, Postgres and secrets.existingSecret, or set it to auto." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.nats.bundled) (not .Values.nats.external.monitoring) -}}
{{- fail "autoscaling is on with a NATS of your own; name its monitoring address, such as nats.nats.svc:8222, in nats.external.monitoring." -}}
{{- end -}}
{{- if and $secrets.mlflowToken.existingSecret (not .Values.gateway.config.mlflowUrl) -}}
{{- fail "secrets.mlflowToken names a Secret, and no server takes the token; set gateway.config.mlflowUrl." -}}
{{- end -}}
{{- if and .Values.artifacts.bucket.url .Values.artifacts.existingClaim -}}
{{- fail "artifacts.bucket.url and artifacts.existingClaim are both set; the artifacts are in one place: empty the other." -}}
{{- end -}}
{{- if and (not .Values.artifacts.bucket.url) (or .Values.artifacts.bucket.endpoint .Values.artifacts.bucket.existingSecret) -}}
{{- fail "artifacts.bucket names a server or a Secret, and no bucket; set artifacts.bucket.url to s3://BUCKET/PREFIX." -}}
{{- end -}}
{{- if and .Values.gateway.ingress.enabled (not .Values.gateway.ingress.host) -}}
{{- fail "gateway.ingress is on without a host; set gateway.ingress.host." -}}
{{- end -}}
{{- if and .Values.gateway.ingress.enabled (eq .Values.gateway.config.auth "off") -}}
{{- fail "gateway.ingress is on and gateway.config.auth is off: whoever reaches the host might do everything; set auth to required." -}}
{{- end -}}
{{- if hasKey .Values.workers "trainer" -}}
{{- fail "A pool under workers is called trainer; set the trainer under the key trainer, or rename the pool." -}}
{{- end -}}
{{- $functions := include "solopo.functions" . | fromJson -}}
{{- $pools := include "solopo.pools" . | fromYaml -}}
{{- $apps := list -}}
{{- range $name, $pool := $pools -}}
{{- $apps = append $apps $pool.app -}}
{{- $where := ternary "trainer" (printf "workers.%s" $name) (eq $name "trainer") -}}
{{- if has $name (list "gateway" "nats" "postgres" "migrator" "artifacts" "test" "ranks") -}}
{{- fail (printf "A pool is called %s, as another part of the release is; rename it." $name) -}}
{{- end -}}
{{- if and (eq $pool.variant "cuda") (not $pool.gpu.enabled) -}}
{{- fail (printf "%s takes the cuda image without a GPU; set %s.gpu.enabled, or its variant to cpu." $where $where) -}}
{{- end -}}
{{- if and (has "torch" $pool.engines) (ne $pool.variant "torch") -}}
{{- fail (printf "%s.engines names torch, which the image variant %s lacks; set %s.variant to torch, or leave torch out." $where $pool.variant $where) -}}
{{- end -}}
{{- $isTorchOnCuda := and (eq (join "," $pool.engines) "torch") (eq $pool.variant "torch") $pool.gpu.enabled (eq (toString $pool.config.device) "cuda") -}}
{{- if and (has $pool.config.device (list "webgpu" "cuda")) (ne $pool.config.device $pool.variant) (not $isTorchOnCuda) -}}
{{- fail (printf "%s.config.device is %s, which the image variant %s lacks; set %s.variant to it." $where $pool.config.device $pool.variant $where) -}}
{{- end -}}
{{- $scale := (index $functions.apps $pool.app).scale -}}
{{- if gt (int (dig "min" $scale.min $pool.scale)) (int (dig "max" $scale.max $pool.scale)) -}}
{{- fail (printf "%s.scale.min is above its max; raise max, or lower min." $where) -}}
{{- end -}}
{{- if lt (include "solopo.heap" $pool | int) 64 -}}
{{- fail (printf "%s leaves less than 64 MiB of heap; raise resources.limits.memory or heapFraction." $where) -}}
{{- end -}}
{{- range $pool.extraEnv -}}
{{- if hasPrefix "SOLOPO_" .name -}}
{{- fail (printf "%s.extraEnv sets %s; set the key under %s.config instead." $where .name $where) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $pools.trainer -}}
{{- $world := include "solopo.worldSize" . | int -}}
{{- if and (gt $world 1) (ne (join "," .engines) "torch") -}}
{{- fail (printf "trainer.nodes and trainer.ranksPerNode make %d ranks, which PyTorch alone trains on; set trainer.engines to [torch] and trainer.variant to torch, or leave both at 1." $world) -}}
{{- end -}}
{{- if mod $world (default 1 .sequenceRanks | int) -}}
{{- fail (printf "trainer.sequenceRanks is %d, and %d ranks (trainer.nodes x trainer.ranksPerNode) cannot be parted by it; take a divisor of %d." (int .sequenceRanks) $world $world) -}}
{{- end -}}
{{- if and (gt $world 1) .gpu.enabled (ne (int .gpu.count) (int .ranksPerNode)) -}}
{{- fail (printf "trainer.ranksPerNode is %d and trainer.gpu.count is %d; each rank has a GPU of its own: make them equal." (int .ranksPerNode) (int .gpu.count)) -}}
{{- end -}}
{{- if gt (int .nodes) 1 -}}
{{- if and $.Values.autoscaling.enabled (lt (int (dig "min" $functions.apps.trainer.scale.min .scale)) 1) -}}
{{- fail (printf "autoscaling would scale a trainer of %d nodes to zero, and a group starts only where all of its nodes are free at once; set trainer.scale.min to 1 or more." (int .nodes)) -}}
{{- end -}}
{{- else if or .group.labels .group.annotations -}}
{{- fail "trainer.group describes a LeaderWorkerSet, and trainer.nodes is 1; raise trainer.nodes, or empty it." -}}
{{- end -}}
{{- end -}}
{{- range $app, $settings := $functions.apps -}}
{{- if not (has $app $apps) -}}
{{- fail (printf "No pool runs the app %s, so that its jobs would wait for ever; turn one on, with replicas or scale at 0 if need be." $app) -}}
{{- end -}}
{{- end -}}
{{- end -}}
