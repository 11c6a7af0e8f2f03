"""A field list of our own for the Kubernetes objects in deploy/: which fields we write, and of which kind they are.

Kubernetes 1.29 and later (core/v1, batch/v1, apps/v1, networking.k8s.io/v1), KubeRay 1.4 and later (ray.io/v1). It is
no schema of theirs: a field we do not know is a complaint here, be it a slip or one nobody has looked up yet.
"""

from collections.abc import Iterator
from typing import Any

# Kind of a value: a Python type, "IntOrString", "Quantity", a list of one of these, or a table of them; ! where needed.
Kind = Any
TEXT, WHOLE, TRUTH = str, int, bool
LABELS = {"*": TEXT}

METADATA = {"name!": TEXT, "labels": LABELS}
SELECTOR = {"matchLabels": LABELS, "matchExpressions": [{"key!": TEXT, "operator!": TEXT, "values": [TEXT]}]}
LIST = {"requests": {"cpu": "Quantity", "memory": "Quantity", "storage": "Quantity"}, "limits": {"memory": "Quantity"}}
PROBE = {
    "grpc": {"port!": WHOLE, "service": TEXT},
    "tcpSocket": {"port!": WHOLE},
    "initialDelaySeconds": WHOLE,
    "periodSeconds": WHOLE,
    "timeoutSeconds": WHOLE,
    "failureThreshold": WHOLE,
}
ENV = {"name!": TEXT, "value": TEXT, "valueFrom": {"secretKeyRef!": {"name!": TEXT, "key!": TEXT, "optional": TRUTH}}}
CONTAINER = {
    "name!": TEXT,
    "image!": TEXT,
    "command": [TEXT],
    "args": [TEXT],
    "env": [ENV],
    "ports": [{"name": TEXT, "containerPort!": WHOLE}],
    "startupProbe": PROBE,
    "readinessProbe": PROBE,
    "livenessProbe": PROBE,
    "resources": LIST,
    "securityContext!": {
        "allowPrivilegeEscalation!": TRUTH,
        "readOnlyRootFilesystem": TRUTH,
        "capabilities!": {"drop!": [TEXT]},
    },
    "volumeMounts": [{"name!": TEXT, "mountPath!": TEXT, "readOnly": TRUTH}],
}
VOLUME = {
    "name!": TEXT,
    "emptyDir": {"medium": TEXT, "sizeLimit": "Quantity"},
    "configMap": {"name!": TEXT},
    "persistentVolumeClaim": {"claimName!": TEXT},
}
POD = {
    "restartPolicy": TEXT,
    "automountServiceAccountToken!": TRUTH,
    "enableServiceLinks": TRUTH,
    "terminationGracePeriodSeconds": WHOLE,
    "securityContext!": {
        "runAsNonRoot!": TRUTH,
        "runAsUser!": WHOLE,
        "runAsGroup!": WHOLE,
        "fsGroup": WHOLE,
        "seccompProfile!": {"type!": TEXT},
    },
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey!": TEXT, "labelSelector!": SELECTOR}]
        }
    },
    "topologySpreadConstraints": [
        {"maxSkew!": WHOLE, "topologyKey!": TEXT, "whenUnsatisfiable!": TEXT, "labelSelector": SELECTOR}
    ],
    "initContainers": [CONTAINER],
    "containers!": [CONTAINER],
    "volumes": [VOLUME],
}
TEMPLATE = {"metadata!": {"labels!": LABELS}, "spec!": POD}
RAY_PARAMETERS = {"*": TEXT}
PEERS = [{"podSelector": SELECTOR}]

SPECS: dict[tuple[str, str], Kind] = {
    ("v1", "PersistentVolumeClaim"): {"accessModes!": [TEXT], "resources!": LIST},
    ("v1", "Service"): {
        "clusterIP": TEXT,
        "publishNotReadyAddresses": TRUTH,
        "internalTrafficPolicy": TEXT,
        "selector!": LABELS,
        "ports!": [{"name": TEXT, "port!": WHOLE, "appProtocol": TEXT}],
    },
    ("batch/v1", "Job"): {"backoffLimit": WHOLE, "podReplacementPolicy": TEXT, "template!": TEMPLATE},
    ("apps/v1", "DaemonSet"): {
        "selector!": SELECTOR,
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": "IntOrString"}},
        "template!": TEMPLATE,
    },
    ("networking.k8s.io/v1", "NetworkPolicy"): {
        "podSelector!": SELECTOR,
        "policyTypes": [TEXT],
        "ingress": [{"from": PEERS, "ports": [{"port": "IntOrString"}]}],
    },
    ("ray.io/v1", "RayCluster"): {
        "rayVersion": TEXT,
        "enableInTreeAutoscaling": TRUTH,
        "headGroupSpec!": {"serviceType": TEXT, "rayStartParams!": RAY_PARAMETERS, "template!": TEMPLATE},
        "workerGroupSpecs": [
            {
                "groupName!": TEXT,
                "replicas": WHOLE,
                "minReplicas": WHOLE,
                "maxReplicas": WHOLE,
                "rayStartParams!": RAY_PARAMETERS,
                "template!": TEMPLATE,
            }
        ],
    },
}


def complaints(document: dict[str, Any]) -> list[str]:
    """What is wrong with one object: unknown kinds and fields, values of another kind, what is missing."""
    place = (document.get("apiVersion"), document.get("kind"))
    spec = SPECS.get(place)  # type: ignore[arg-type]
    if spec is None:
        return [f"{place} is no kind of ours"]
    whole = {"apiVersion!": TEXT, "kind!": TEXT, "metadata!": METADATA, "spec!": spec}
    return list(_look(document, whole, str(document["kind"])))


def _look(value: Any, kind: Kind, where: str) -> Iterator[str]:
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            yield f"{where} is {value!r}, not a table"
            return
        fields = {name.rstrip("!"): one for name, one in kind.items()}
        yield from (f"{where}.{name[:-1]} is missing" for name in kind if name.endswith("!") and name[:-1] not in value)
        for name, one in value.items():
            wanted = fields.get(name, fields.get("*"))
            if wanted is None:
                yield f"{where}.{name} is no field we know"
            else:
                yield from _look(one, wanted, f"{where}.{name}")
    elif isinstance(kind, list):
        if not isinstance(value, list) or not value:
            yield f"{where} is {value!r}, not a list of something"
            return
        for place, one in enumerate(value):
            yield from _look(one, kind[0], f"{where}[{place}]")
    elif not _is(value, kind):
        yield f"{where} is {value!r}, not {kind if isinstance(kind, str) else kind.__name__}"


def _is(value: Any, kind: Kind) -> bool:
    if kind == "IntOrString":
        return type(value) in (int, str)
    if kind == "Quantity":
        number = str(value).rstrip("miGMKTk")
        return type(value) in (int, str) and number.isdigit()
    return type(value) is kind
