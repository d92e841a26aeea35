//! CRDS rules: parsing mappings, best references, affected datasets, differences. Depends on nothing else here.
