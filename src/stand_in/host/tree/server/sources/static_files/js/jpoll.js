crds.poll = function (key, since) { return [key, since]; };
