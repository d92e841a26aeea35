//! `crds-stand-in serve`: one server on plain http.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use crds_upgrade::stand_in::server::{Config, Era, load, log::FileLog};

/// Options of design section 8.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Client cache whose mappings the server starts with; only read
    #[arg(long)]
    cache: PathBuf,
    /// `hst`, `jwst` or `roman`
    #[arg(long)]
    observatory: String,
    /// Operational context to start with
    #[arg(long)]
    operational: Option<String>,
    /// Edit context to start with; default: the operational one
    #[arg(long)]
    edit: Option<String>,
    /// Wire dialect: 2014, 2019 or now
    #[arg(long, default_value = "2019")]
    era: Era,
    /// State to start from
    #[arg(long)]
    load: Option<PathBuf>,
    /// Where the server keeps its files; default: a temporary directory
    #[arg(long)]
    data: Option<PathBuf>,
    /// Base of advertised addresses; default: the address it listens on
    #[arg(long)]
    public_url: Option<String>,
    /// The wait after `done`, seconds
    #[arg(long, default_value_t = 10.0)]
    pause: f64,
    /// Address to listen on; port 0 chooses one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Runs it until SIGTERM or SIGINT.
pub fn run(args: Args) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("crds-stand-in serve: {text}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))?;
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|e| format!("cannot make a temporary directory: {e}"))?),
    };
    let data = match (&args.data, &temporary) {
        (Some(dir), _) => std::path::absolute(dir).map_err(|e| format!("--data {}: {e}", dir.display()))?,
        (None, Some(dir)) => dir.path().to_owned(),
        (None, None) => return Err("no data directory".to_owned()),
    };
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen)
            .await
            .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
        let address = listener.local_addr().map_err(|e| format!("cannot tell the address: {e}"))?;
        let mut config = Config::ordinary(&data, &args.observatory);
        config.era = args.era;
        config.generation = args.era.dialect().generation;
        config.public_url = args.public_url.clone().unwrap_or_else(|| format!("http://{address}/"));
        if !config.public_url.ends_with('/') {
            config.public_url.push('/');
        }
        config.pause = Duration::try_from_secs_f64(args.pause).map_err(|e| format!("--pause {}: {e}", args.pause))?;
        config.dirs.create().map_err(|e| format!("cannot make `{}`: {e}", data.display()))?;
        let log = FileLog::open(&config.dirs.logs, config.era.dialect().stpipe_log, config.zone.clone())
            .map_err(|e| format!("cannot write logs under `{}`: {e}", data.display()))?;
        config.log = Arc::new(log);
        let start = load::Start {
            cache: Some(&args.cache),
            operational: args.operational.as_deref(),
            edit: args.edit.as_deref(),
            load: args.load.as_deref(),
        };
        let server = load::open(config, &data, &start).map_err(|e| tell(&e, &e.help()))?;
        say!("listening on http://{address}");
        let app = server.router().into_make_service_with_connect_info::<SocketAddr>();
        // Answers on their way are waited for, but not for long: a submission may pause, a fault may hang.
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
            ended().await;
            let _ = stop.send(());
        });
        tokio::select! {
            served = async { serving.await } => served.map_err(|e| format!("serving on {address} ended: {e}")),
            () = async {
                let _ = stopped.await;
                tokio::time::sleep(Duration::from_secs(3)).await;
            } => Ok(()),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// An error with its causes and the next move.
pub fn tell(err: &dyn std::error::Error, help: &str) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(&format!(": {err}"));
        cause = err.source();
    }
    format!("{text}\n{help}")
}

/// Waits for SIGTERM or SIGINT.
async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
