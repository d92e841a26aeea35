"""Database of the hst ops server; install copies it to sources/crds_database.py."""
import os

password_file = "SUB_ROOT_hst_ops/crds/data1/database/hst.dat"

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.mysql',
        'NAME': 'crds_hst',
        'USER': 'hstcrds',
        'PASSWORD': open(password_file).read().strip(),
        'HOST': 'db-ops.example',
        'PORT': '33306',
        'OPTIONS': {'init_command': 'SET storage_engine=INNODB'},
    },
}
