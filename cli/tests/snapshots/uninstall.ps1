<#
.SYNOPSIS
Removes the native IIS module(s) Gate, Audit (gate.dll).

.DESCRIPTION
Undoes install.ps1 in reverse: handler mappings, <modules>, <globalModules>, application pools, files. Doing it twice
makes a second backup and changes nothing more. Written by `bivalve iis package`.

.PARAMETER Destination
The folder that install.ps1 was given.

.PARAMETER Site
The sites that the modules were enabled for. A web.config that names a module is not changed: take it out first.

.PARAMETER AppPool
More application pools to recycle, besides those of the sites.
#>
[CmdletBinding()]
param(
    [string] $Destination = (Join-Path $env:ProgramFiles 'Bivalve\gate'),
    [string[]] $Site = @('Default Web Site', 'Ann''s site'),
    [string[]] $AppPool = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$modules = @('Gate', 'Audit')
$handlers = @(@{ Name = 'Gate'; Path = '/api/*' })
$files = @(@{ Name = 'gate.dll'; Hash = '9f12c73c127113f4ee689e94cbbf1ce6a8087320bce0f9bf16a2a2c6823d68fc' })
$inetsrv = Join-Path $env:windir 'System32\inetsrv'
$appcmd = Join-Path $inetsrv 'appcmd.exe'
$useAppCmd = Test-Path -LiteralPath $appcmd
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$backupName = ''

function Say([string] $Text) { Write-Output "  $Text" }

function Test-Ready {
    if ([Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess) {
        throw 'This is a 32-bit PowerShell on a 64-bit Windows, which sees another System32. Start the 64-bit one.'
    }
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object Security.Principal.WindowsPrincipal($identity)
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'This changes applicationHost.config. Start PowerShell with "Run as administrator" and repeat.'
    }
    foreach ($text in @($Destination) + $Site) {
        if ($text -match '["\[\]]') { throw "A quotation mark or a bracket cannot be handed to appcmd: $text" }
    }
    if ($Destination.Contains("'")) { throw "An apostrophe cannot be handed to appcmd: $Destination" }
    if (-not $useAppCmd) {
        Import-Module IISAdministration
        Say 'appcmd.exe is not there; the IISAdministration cmdlets are used.'
    }
}

function Invoke-AppCmd([string[]] $Arguments) {
    $output = & $appcmd $Arguments
    if ($LASTEXITCODE -ne 0) { throw "appcmd $($Arguments -join ' ') failed ($LASTEXITCODE): $output" }
    return $output
}

function Backup-Configuration([string] $Name) {
    if ($useAppCmd) {
        [void] (Invoke-AppCmd @('add', 'backup', $Name))
    } else {
        $folder = Join-Path $inetsrv "backup\$Name"
        [void] (New-Item -ItemType Directory -Force -Path $folder)
        Copy-Item (Join-Path $inetsrv 'config\applicationHost.config') $folder
    }
    $script:backupName = $Name
    Say "Backed up the configuration of IIS as $Name."
}

# The entry called $Name in a section: what it says, or nothing when there is none.
# An empty $Location is the whole server.
function Get-Entry([string] $Section, [string] $Location, [string] $Name) {
    if ($useAppCmd) {
        $where = @('list', 'config')
        if ($Location) { $where += $Location }
        $xml = [xml] (Invoke-AppCmd ($where + "/section:$Section"))
        foreach ($node in $xml.SelectNodes('//add')) {
            if ($node.GetAttribute('name') -eq $Name) {
                return @{ image = $node.GetAttribute('image'); preCondition = $node.GetAttribute('preCondition') }
            }
        }
        return $null
    }
    $found = Get-IISConfigCollectionElement -ConfigCollection (Get-Collection $Section $Location) -ConfigAttribute @{ name = $Name }
    if (-not $found) { return $null }
    $entry = @{ preCondition = $found.GetAttributeValue('preCondition') }
    if ($Section -like '*globalModules') { $entry.image = $found.GetAttributeValue('image') }
    return $entry
}

function Get-Collection([string] $Section, [string] $Location) {
    $path = @{ SectionPath = $Section }
    if ($Location) { $path.Location = $Location }
    return Get-IISConfigCollection -ConfigElement (Get-IISConfigSection @path)
}

function Edit-AppCmd([string] $Section, [string] $Location, [string] $Change) {
    $where = @('set', 'config')
    if ($Location) { $where += $Location }
    [void] (Invoke-AppCmd ($where + @("/section:$Section", $Change, '/commit:apphost')))
}

function Remove-Entry([string] $Section, [string] $Location, [string] $Name) {
    if (-not (Get-Entry $Section $Location $Name)) { return $false }
    if ($useAppCmd) {
        Edit-AppCmd $Section $Location "/-[name='$Name']"
    } else {
        Remove-IISConfigCollectionElement -ConfigCollection (Get-Collection $Section $Location) -ConfigAttribute @{ name = $Name } -Confirm:$false
    }
    return $true
}

function Reset-Pool([string] $Name) {
    if ($useAppCmd) {
        $state = Invoke-AppCmd @('list', 'apppool', $Name, '/text:state')
        if ($state -ne 'Started') { Say "Application pool $Name is not running; it takes the change when it starts."; return }
        [void] (Invoke-AppCmd @('recycle', 'apppool', $Name))
    } else {
        $pool = Get-IISAppPool -Name $Name
        if ($pool.State -ne 'Started') { Say "Application pool $Name is not running; it takes the change when it starts."; return }
        [void] $pool.Recycle()
    }
    Say "Recycled application pool $Name."
}

# The pools named by -AppPool, and that of each site's root application.
function Get-Pools {
    $pools = @($AppPool)
    foreach ($one in $Site) {
        if ($useAppCmd) {
            $pools += Invoke-AppCmd @('list', 'app', "$one/", '/text:applicationPool')
        } else {
            $pools += (Get-IISSite -Name $one).Applications['/'].ApplicationPoolName
        }
    }
    return @($pools | Where-Object { $_ } | Sort-Object -Unique)
}

function Show-Failure($Problem) {
    Write-Output ''
    Write-Output "Failed: $Problem"
    if (-not $backupName) { Write-Output 'The configuration of IIS was not changed.'; return }
    if ($useAppCmd) {
        Write-Output "To go back to what was before: & `"$appcmd`" restore backup $backupName"
    } else {
        Write-Output "To go back to what was before, copy applicationHost.config from $inetsrv\backup\$backupName to $inetsrv\config."
    }
}

# Every version's folder, as far as it holds what install.ps1 put there; nothing else is touched.
function Remove-Files {
    if (-not (Test-Path -LiteralPath $Destination)) { Say "$Destination is not there."; return }
    foreach ($folder in Get-ChildItem -LiteralPath $Destination -Directory) {
        if ($folder.Name -notmatch '^[0-9a-f]{12}$') { continue }
        foreach ($file in $files) {
            $path = Join-Path $folder.FullName $file.Name
            if (-not (Test-Path -LiteralPath $path)) { continue }
            try {
                Remove-Item -LiteralPath $path
                Say "Deleted $path."
            } catch {
                Say "$path is still in use. Repeat this when the last worker process that loaded it has ended."
            }
        }
        if (-not (Get-ChildItem -LiteralPath $folder.FullName -Force)) { Remove-Item -LiteralPath $folder.FullName }
    }
    if (-not (Get-ChildItem -LiteralPath $Destination -Force)) { Remove-Item -LiteralPath $Destination }
}

try {
    Test-Ready
    $pools = Get-Pools
    Backup-Configuration ('bivalve-' + (Get-Date -Format 'yyyyMMdd-HHmmss'))
    foreach ($one in $Site) {
        foreach ($handler in $handlers) {
            if (Remove-Entry 'system.webServer/handlers' $one $handler.Name) { Say "Removed handler $($handler.Name) from $one." }
        }
        foreach ($name in $modules) {
            if (Remove-Entry 'system.webServer/modules' $one $name) { Say "Disabled $name for $one." }
        }
    }
    foreach ($name in $modules) {
        # Where somebody enabled it for the whole server by hand.
        if (Remove-Entry 'system.webServer/modules' '' $name) { Say "Disabled $name for the server." }
        if (Remove-Entry 'system.webServer/globalModules' '' $name) { Say "Unregistered $name." } else { Say "$name is not registered." }
    }
    foreach ($pool in $pools) { Reset-Pool $pool }
    Remove-Files
    Write-Output ''
    Write-Output "Done. The backup $backupName stays."
} catch {
    Show-Failure $_
    exit 1
}
