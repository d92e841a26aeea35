"""Database of the jwst ops server; install copies it to sources/crds_database.py."""
import os

password_file = "SUB_ROOT_jwst_ops/crds/data1/database/jwst.dat"

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.mysql',
        'NAME': 'crds_jwst',
        'USER': 'jwstcrds',
        'PASSWORD': open(password_file).read().strip(),
        'HOST': 'db-ops.example',
        'PORT': '33306',
        'OPTIONS': {'init_command': 'SET storage_engine=INNODB'},
    },
}
