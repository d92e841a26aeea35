var crds = crds || {};
