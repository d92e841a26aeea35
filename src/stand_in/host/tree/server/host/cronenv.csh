# Environment of the cron jobs: what a login has, then what the last ./install froze.
source ${HOME}/.setenv
cd ${CRDS}/CRDS_server
source env.csh
mkdir -p ${CRDS_CRON}
